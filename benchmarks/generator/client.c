/* One client: a TCP connection, WebSocket on it (RFC 6455), Engine.IO 4 and Socket.IO 5 on top.

   Only what a client of one namespace needs is here: whole frames, and packets without attachments. */

#define _GNU_SOURCE
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FINAL = 0x80, OPCODE = 0x0f, TEXT = 0x1, CLOSE = 0x8, PING = 0x9, PONG = 0xa };
enum { MASKED = 0x80, TWO_BYTES = 126, EIGHT_BYTES = 127 };

/* The slow reader's window: so small that what it leaves unread waits in the server and not in the kernel. */
#define SLOW_READERS_BUFFER 4096

int poller;

/* Everybody's bytes pass through it; a client keeps only the half of a frame that may be left over. */
static char input[1 << 20];

static void watch(Client *client, uint32_t events)
{
    if (client->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = client};
    client->events = events;
    epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
}

void begin_connecting(Client *client, uint32_t number)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int yes = 1, small = SLOW_READERS_BUFFER;
    client->number = number;
    client->began = now();
    client->state = UPGRADING;
    client->unread.length = client->unsent.length = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("no socket for client %u: %s", number, strerror(errno));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!client->is_counted)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail("client %u cannot connect: %s", number, strerror(errno));
    /* It leaves as soon as the connection stands. The key guards against caches, of which none is here. */
    append_format(&client->unsent,
                  "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  options.port);
    client->events = EPOLLIN | EPOLLOUT;
    struct epoll_event event = {.events = client->events, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
}

void close_client(Client *client)
{
    close(client->fd);
    client->state = GONE;
}

/* Hear nothing of the connection any more, not even that it was closed. */
void stop_reading(Client *client)
{
    client->events = 0;
    epoll_ctl(poller, EPOLL_CTL_DEL, client->fd, NULL);
}

/* Sending */

static void write_bytes(Client *client, const char *bytes, size_t length)
{
    ssize_t written = 0;
    if (!client->unsent.length) {
        written = send(client->fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) {
            on_lost(client, strerror(errno));
            return;
        }
        written = written < 0 ? 0 : written;
    }
    if ((size_t)written < length) {
        append(&client->unsent, bytes + written, length - (size_t)written);
        watch(client, client->events | EPOLLOUT);
    }
}

static void flush(Client *client)
{
    ssize_t written = send(client->fd, client->unsent.bytes, client->unsent.length, MSG_NOSIGNAL);
    if (written < 0) {
        if (errno != EAGAIN)
            on_lost(client, strerror(errno));
        return;
    }
    client->unsent.length -= (size_t)written;
    memmove(client->unsent.bytes, client->unsent.bytes + written, client->unsent.length);
    if (!client->unsent.length)
        watch(client, client->events & ~(uint32_t)EPOLLOUT);
}

static void send_frame(Client *client, int opcode, const char *payload, size_t length)
{
    /* Masks exist to confuse proxies. One for all frames costs the server what any other would. */
    static const unsigned char mask[4] = {0x9b, 0x37, 0xe2, 0x5c};
    static Text frame;
    unsigned char head[10] = {(unsigned char)(FINAL | opcode)};
    size_t wide = length < TWO_BYTES ? 0 : length < 1 << 16 ? 2 : 8;
    if (client->state == GONE)
        return;
    head[1] = (unsigned char)(MASKED | (wide == 0 ? length : wide == 2 ? TWO_BYTES : EIGHT_BYTES));
    for (size_t i = 0; i < wide; i++)
        head[2 + i] = (unsigned char)(length >> 8 * (wide - 1 - i));
    frame.length = 0;
    append(&frame, head, 2 + wide);
    append(&frame, mask, sizeof mask);
    size_t start = frame.length;
    append(&frame, payload, length);
    for (size_t i = 0; i < length; i++)
        frame.bytes[start + i] ^= (char)mask[i % sizeof mask];
    write_bytes(client, frame.bytes, frame.length);
}

void send_packet(Client *client, const Text *packet)
{
    send_frame(client, TEXT, packet->bytes, packet->length);
}

/* Begin a Socket.IO packet for the namespace; "/" is not named. */
static void begin_packet(Text *packet, const char *type)
{
    packet->length = 0;
    append_format(packet, "4%s", type);
    if (strcmp(options.namespace, "/"))
        append_format(packet, "%s,", options.namespace);
}

static void enter(Client *client)
{
    static Text packet;
    begin_packet(&packet, "0");
    expand(&packet, options.auth, client);
    client->state = ENTERING;
    send_packet(client, &packet);
}

/* Join the client's room; the acknowledgement 0 makes it ready. */
void join(Client *client)
{
    static Text packet;
    begin_packet(&packet, "2");
    append_format(&packet, "0[\"%s\",", options.join_event);
    expand(&packet, options.join_payload, client);
    append(&packet, "]", 1);
    client->state = JOINING;
    send_packet(client, &packet);
}

/* Part as a browser does: with a close frame, after which the server closes the connection. */
void leave(Client *client)
{
    static const char normal[] = {0x03, (char)0xe8};
    client->state = LEAVING;
    send_frame(client, CLOSE, normal, sizeof normal);
}

/* Reading */

static void read_ack(Client *client, const char *at, const char *end, Time arrived)
{
    uint64_t id = 0;
    while (at < end && *at >= '0' && *at <= '9')
        id = id * 10 + (uint64_t)(*at++ - '0');
    size_t length = (size_t)(end - at);
    if (client->state != JOINING)
        on_ack(client, id, at, length, arrived);
    else if (memmem(at, length, "\"success\":true", 14))
        on_ready(client);
    else
        fail("client %u may not join: %.*s", client->number, (int)length, at);
}

static void read_message(Client *client, const char *packet, size_t length, Time arrived)
{
    const char *at = packet + 1, *end = packet + length;
    if (at < end && *at == '/') {
        at = memchr(at, ',', (size_t)(end - at));
        at = at ? at + 1 : end;
    }
    switch (*packet) {
    case '0':
        on_entered(client);
        break;
    case '2':
        on_event(client, at, (size_t)(end - at), arrived);
        break;
    case '3':
        read_ack(client, at, end, arrived);
        break;
    case '1':
        on_lost(client, "the server ended its Socket.IO connection");
        break;
    case '4':
        fail("client %u was refused: %.*s", client->number, (int)(end - at), at);
    }
}

static void read_packet(Client *client, const char *packet, size_t length, Time arrived)
{
    if (!length)
        return;
    switch (*packet) {
    case '0':
        enter(client);
        break;
    case '1':
        on_lost(client, "the server ended its session");
        break;
    case '2':
        send_frame(client, TEXT, "3", 1);
        break;
    case '4':
        if (length > 1)
            read_message(client, packet + 1, length - 1, arrived);
    }
}

/* Act on the frame that begins the bytes, and return its size: 0 if it is not whole yet. */
static size_t read_frame(Client *client, const char *bytes, size_t available, Time arrived)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (available < 2)
        return 0;
    size_t length = head[1], start = 2;
    if (length >= TWO_BYTES) {
        start += length == TWO_BYTES ? 2 : 8;
        if (available < start)
            return 0;
        length = 0;
        for (size_t i = 2; i < start; i++)
            length = length << 8 | head[i];
    }
    if (length > sizeof input - start)
        fail("a frame of %zu bytes is more than the generator takes", length);
    if (available < start + length)
        return 0;
    int opcode = head[0] & OPCODE;
    if (head[0] == (FINAL | TEXT))
        read_packet(client, bytes + start, length, arrived);
    else if (opcode == PING)
        send_frame(client, PONG, bytes + start, length);
    else if (opcode == CLOSE && client->state != LEAVING)
        on_lost(client, "the server closed the WebSocket");
    else if (opcode != CLOSE && opcode != PONG)
        fail("a frame begins with 0x%02x, which the generator does not take", head[0]);
    return start + length;
}

static size_t read_upgrade(Client *client, const char *bytes, size_t available)
{
    const char *end = memmem(bytes, available, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (available < 12 || memcmp(bytes, "HTTP/1.1 101", 12))
        fail("client %u got no WebSocket: %.*s", client->number, (int)(end - bytes), bytes);
    client->state = OPENING;
    return (size_t)(end - bytes) + 4;
}

static void read_bytes(Client *client)
{
    size_t kept = client->unread.length, used = 0, size = 1;
    if (kept)
        memcpy(input, client->unread.bytes, kept);
    ssize_t got = recv(client->fd, input + kept, sizeof input - kept, 0);
    Time arrived = now();
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            on_lost(client, got ? strerror(errno) : "the server closed the connection");
        return;
    }
    size_t available = kept + (size_t)got;
    while (size && client->state != GONE) {
        size = client->state == UPGRADING ? read_upgrade(client, input + used, available - used)
                                          : read_frame(client, input + used, available - used, arrived);
        used += size;
    }
    client->unread.length = 0;
    append(&client->unread, input + used, available - used);
}

void handle(Client *client, uint32_t events)
{
    if (client->state != GONE && events & EPOLLOUT)
        flush(client);
    if (client->state != GONE && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_bytes(client);
}
