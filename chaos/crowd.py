"""The clients of a trial: who listens at which door, who talks, and who comes and goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.authors import Author
from chaos.history import History
from chaos.listener import Door, Listener
from chaos.site import Site
from chaos.sockets import JoiningDoor, ReturningDoor, SocketDoor
from chaos.streams import StreamDoor, WaitingDoor

ROLES = 8  # so many clients show every kind once


@dataclass(slots=True)
class Crowd:
    """Everybody who is there."""

    site: Site
    listeners: list[Listener] = field(default_factory=list)
    authors: list[Author] = field(default_factory=list)
    wanderers: list[str] = field(default_factory=list)

    async def gather(self, clients: int) -> None:
        """Let so many clients in, of each kind in turn."""
        for number in range(clients):
            await self._add(number)

    async def _add(self, number: int) -> None:
        match number % ROLES:
            case 0:
                await self._add_resident(number, [ReturningDoor()])
            case 1:
                await self._add_resident(number, [StreamDoor()])
            case 2:
                await self._add_resident(number, [WaitingDoor()])
            case 3:
                await self._add_wanderer(number, [ReturningDoor()])
            case 4:
                self._add_service(number, JoiningDoor(self.site.lobby), self.site.lobby)
            case 5:
                await self._add_wanderer(number, [StreamDoor(), SocketDoor(), WaitingDoor()])
            case 6:
                await self._add_resident(number, [SocketDoor(), StreamDoor(), WaitingDoor()])
            case _:
                self._add_service(number, StreamDoor(), None)

    async def _add_resident(self, number: int, doors: list[Door]) -> None:
        who = f"resident-{number}"
        room = self.site.rooms[number % len(self.site.rooms)]
        await self.site.invite(who, room)
        await self._add_user(who, doors, [self.site.lobby, room])

    async def _add_wanderer(self, number: int, doors: list[Door]) -> None:
        who = f"wanderer-{number}"
        self.wanderers.append(who)
        await self._add_user(who, doors, [self.site.lobby])

    async def _add_user(self, who: str, doors: list[Door], channels: list[str]) -> None:
        await self.site.invite(who, self.site.lobby)
        name = f"{who} ({', '.join(door.name for door in doors)})"
        self.listeners.append(Listener(self.site, History(name, who), self.site.keys.token(who), doors))
        socket = next((door for door in doors if isinstance(door, SocketDoor)), None)
        self.authors.append(Author(self.site, who, channels, socket))

    def _add_service(self, number: int, door: Door, only: str | None) -> None:
        history = History(f"service-{number} ({door.name})", only=only)
        self.listeners.append(Listener(self.site, history, self.site.keys.service, [door]))
