/* The generator's command: its options, its clients, and the loop in which everything happens.

     generator MODE --option value …

   Modes are in modes.c. The report is one JSON object on stdout. benchmarks/load_generator.py calls this. */

#include "generator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 512
#define PATIENCE 60 /* seconds without a new connection */

Options options = {
    .namespace = "/", .auth = "{}", .tokens_file = "", .rooms_file = "",
    .join_event = "", .join_payload = "{}", .event = "", .payload = "{}", .heard_event = "",
    .sender_after = "", .core = -1, .clients = 1, .parallel = 50, .in_flight = 1, .warmup = 1, .seconds = 1, .drain = 10,
};
Client *clients;
Room *rooms;
size_t room_count;
uint32_t client_count, begun, entered, ready;
bool only_connects;

static const struct {
    const char *name;
    enum { TEXT_OPTION, INTEGER, LONG, SECONDS, FLAG } kind;
    void *value;
} known[] = {
    {"--port", INTEGER, &options.port},
    {"--namespace", TEXT_OPTION, &options.namespace},
    {"--auth", TEXT_OPTION, &options.auth},
    {"--tokens", TEXT_OPTION, &options.tokens_file},
    {"--rooms", TEXT_OPTION, &options.rooms_file},
    {"--join-event", TEXT_OPTION, &options.join_event},
    {"--join-payload", TEXT_OPTION, &options.join_payload},
    {"--event", TEXT_OPTION, &options.event},
    {"--payload", TEXT_OPTION, &options.payload},
    {"--heard-event", TEXT_OPTION, &options.heard_event},
    {"--sender-after", TEXT_OPTION, &options.sender_after},
    {"--clients", INTEGER, &options.clients},
    {"--parallel", INTEGER, &options.parallel},
    {"--senders", INTEGER, &options.senders},
    {"--in-flight", INTEGER, &options.in_flight},
    {"--rate", SECONDS, &options.rate},
    {"--ack", FLAG, &options.ack},
    {"--echo", FLAG, &options.echo},
    {"--warmup", SECONDS, &options.warmup},
    {"--seconds", SECONDS, &options.seconds},
    {"--drain", SECONDS, &options.drain},
    {"--total", LONG, &options.total},
    {"--sample-every", LONG, &options.sample_every},
    {"--stop-reading", SECONDS, &options.stop_reading},
    {"--pid", INTEGER, &options.pid},
    {"--core", INTEGER, &options.core},
};

typedef struct {
    char **lines;
    size_t count;
} Lines;

static Lines tokens;
static int timer;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("generator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(1);
}

static void read_option(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name))
            continue;
        if (known[i].kind == TEXT_OPTION)
            *(const char **)known[i].value = value;
        else if (known[i].kind == INTEGER)
            *(int *)known[i].value = atoi(value);
        else if (known[i].kind == LONG)
            *(long *)known[i].value = atol(value);
        else if (known[i].kind == SECONDS)
            *(double *)known[i].value = atof(value);
        else
            *(bool *)known[i].value = !strcmp(value, "yes");
        return;
    }
    fail("there is no option %s", name);
}

static Lines read_lines(const char *path)
{
    Lines read = {NULL, 0};
    char *line = NULL;
    size_t capacity = 0;
    if (!*path)
        return read;
    FILE *file = fopen(path, "r");
    if (!file)
        fail("%s cannot be read: %s", path, strerror(errno));
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
        line[strcspn(line, "\n")] = 0;
        read.lines = realloc(read.lines, (read.count + 1) * sizeof *read.lines);
        read.lines[read.count++] = strdup(line);
    }
    free(line);
    fclose(file);
    return read;
}

const char *token_of(uint32_t number)
{
    return tokens.count ? tokens.lines[number % tokens.count] : "";
}

/* Connections */

void on_entered(Client *client)
{
    entered++;
    if (only_connects) {
        if (phase == MEASURING)
            record(&connects, now() - client->began);
        leave(client);
    } else if (*options.join_event) {
        join(client);
    } else {
        on_ready(client);
    }
}

void on_ready(Client *client)
{
    client->state = READY;
    ready++;
    record(&connects, now() - client->began);
}

void on_lost(Client *client, const char *reason)
{
    /* A client that takes its leave is lost in peace. */
    if (client->state != LEAVING && (phase == SILENT || only_connects))
        fail("client %u was lost: %s", client->number, reason);
    if (client->state != LEAVING && !counts.closed++)
        fprintf(stderr, "generator: client %u was lost: %s\n", client->number, reason);
    close_client(client);
}

/* The loop */

/* Have the loop woken at a time. A timer of its own, as epoll's is too coarse to spread a thousand messages
   over a second. */
static void arm(Time due)
{
    struct itimerspec when = {.it_value = {(time_t)(due / (Time)SECOND), (long)(due % (Time)SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void wait_and_handle(Time until)
{
    static struct epoll_event events[EVENTS_AT_ONCE];
    Time left = until > now() ? until - now() : 0;
    int count = epoll_wait(poller, events, EVENTS_AT_ONCE, (int)((double)left / SECOND * 1000) + (left > 0));
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr)
            handle(events[i].data.ptr, events[i].events);
        else if (phase == WARMING || phase == MEASURING)
            arm(send_what_is_due(now()));
}

void start_clock(void)
{
    if (options.rate > 0)
        arm(send_what_is_due(now()));
}

void run_for(double seconds)
{
    for (Time end = now() + (Time)(seconds * SECOND); now() < end;)
        wait_and_handle(end);
}

static void make_clients(void)
{
    Lines ids = read_lines(options.rooms_file);
    room_count = ids.count;
    rooms = calloc(room_count + 1, sizeof *rooms);
    client_count = (uint32_t)options.clients + (options.stop_reading > 0);
    clients = calloc(client_count, sizeof *clients);
    uint32_t size = room_count ? (uint32_t)options.clients / (uint32_t)room_count : 0;
    if (room_count && (uint32_t)options.clients % room_count)
        fail("%d clients cannot share %zu rooms evenly", options.clients, room_count);
    if (options.senders > (int)size)
        fail("a room of %u cannot have %d senders", size, options.senders);
    for (size_t i = 0; i < room_count; i++)
        rooms[i] = (Room){.id = ids.lines[i], .first = (uint32_t)i * size, .size = size};
    for (uint32_t i = 0; i < client_count; i++) {
        clients[i].is_counted = i < (uint32_t)options.clients;
        clients[i].room = room_count ? &rooms[clients[i].is_counted ? i / size : 0] : NULL;
    }
}

/* End the program when the count has not moved for too long. */
void expect_progress(uint32_t count, const char *what)
{
    static uint32_t last;
    static Time moved;
    if (count != last || !moved)
        moved = now();
    else if (now() - moved > (Time)(PATIENCE * SECOND))
        fail("%u clients %s, and no other did for %d seconds", count, what, PATIENCE);
    last = count;
}

void connect_all(void)
{
    while (ready < client_count) {
        for (; begun < client_count && begun - ready < (uint32_t)options.parallel; begun++)
            begin_connecting(&clients[begun], begun);
        wait_and_handle(now() + (Time)SECOND);
        expect_progress(ready, "became ready");
    }
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"load", run_load}, {"idle", run_idle}, {"connects", run_connects}};
    for (int i = 2; i + 1 < count; i += 2)
        read_option(arguments[i], arguments[i + 1]);
    tokens = read_lines(options.tokens_file);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    for (size_t i = 0; count > 1 && i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(arguments[1], modes[i].name)) {
            make_clients();
            fputs("{", stdout);
            modes[i].run();
            fputs("}\n", stdout);
            return 0;
        }
    fail("the first argument is load, idle or connects");
}
