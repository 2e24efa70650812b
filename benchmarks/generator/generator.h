/* Parley's load generator: what its parts know of each other.

   Many Socket.IO clients live in one thread, so that one core drives a server that has another core for
   itself. modes.c says what is done, main.c holds the clients and the loop, client.c speaks the protocols,
   traffic.c sends messages and checks what comes of them, figures.c measures and reports.

   What goes wrong before a message is sent ends the program with a sentence. What goes wrong after that is
   counted and reported, for that is what the checks are about. */

#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t Time; /* nanoseconds of the monotonic clock */
#define SECOND 1000000000.0

typedef struct {
    int port;
    const char *namespace;
    const char *auth;         /* template of the CONNECT packet's payload */
    const char *tokens_file;  /* what {token} stands for: a line for each client, again from the top */
    const char *rooms_file;   /* what {room} stands for: a line for each room */
    const char *join_event;   /* empty: nobody joins anything */
    const char *join_payload; /* template */
    const char *event;
    const char *payload;      /* template of what is sent; with a {mark} every delivery is told apart */
    const char *heard_event;  /* the name under which the server delivers it */
    const char *sender_after; /* without a mark: a text that the sender's number follows in a delivery */
    int clients, parallel;
    int senders;   /* in each room; 0: everybody */
    int in_flight; /* closed loop: unfinished messages that a sender may have */
    double rate;   /* open loop: messages per second of all together */
    bool ack;      /* a message is finished only when it is acknowledged, too */
    bool echo;     /* the server delivers a message to its sender as well */
    double warmup, seconds, drain;
    long total;        /* ends the measured time instead of the clock, when not 0 */
    long sample_every; /* messages between two looks at the server's memory; 0: none */
    double stop_reading; /* a client more, which stops reading so long into the measured time; 0: none */
    int pid;             /* the server, whose processor time and memory are reported */
    int core;            /* the server's own, which nobody else should use; -1: unknown */
} Options;

extern Options options;

/* A text that grows. */
typedef struct {
    char *bytes;
    size_t length, capacity;
} Text;

void append(Text *text, const void *bytes, size_t length);
void append_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A room holds the seen counts of each pair: how far a receiver has come with a sender's messages. */
typedef struct {
    const char *id;
    uint32_t first, size, senders; /* its clients have neighbouring numbers; the first of them send */
    uint32_t *seen;                /* [sender][receiver]: the number of the message that is due next */
} Room;

/* A message under way. */
typedef struct {
    Time due;
    uint32_t awaited; /* deliveries that are still to come */
    bool is_acked;
    bool is_measured;
} Flight;

/* The messages of one client: a ring from the oldest unfinished one to the next that will be sent. */
typedef struct {
    Flight *flights;
    uint32_t capacity, oldest, next;
    uint32_t unfinished;
    Text body; /* the event's JSON, in which only the mark changes */
} Sender;

typedef enum { GONE, UPGRADING, OPENING, ENTERING, JOINING, READY, LEAVING } State;

typedef struct {
    int fd;
    State state;
    uint32_t number;
    uint32_t events; /* what epoll was told to look for */
    Time began;
    Text unread, unsent; /* half a frame that came; what the socket had no room for */
    Room *room;
    Sender *sender; /* of those who send */
    bool is_counted; /* its deliveries are checked: everybody's, save the slow reader's */
} Client;

/* main.c */
extern Client *clients;
extern Room *rooms;
extern size_t room_count;
extern uint32_t client_count;
extern uint32_t begun, entered, ready; /* how many clients have come so far */
extern bool only_connects;             /* clients leave as soon as they have entered */
const char *token_of(uint32_t number);
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void on_entered(Client *client);
void on_ready(Client *client);
void on_lost(Client *client, const char *reason);
void connect_all(void);
void expect_progress(uint32_t count, const char *what);
void start_clock(void); /* of the open loop */
void wait_and_handle(Time until);
void run_for(double seconds);

/* modes.c */
void run_load(void);
void run_idle(void);
void run_connects(void);

/* client.c */
extern int poller; /* the epoll descriptor */
void begin_connecting(Client *client, uint32_t number);
void join(Client *client);
void leave(Client *client);
void stop_reading(Client *client);
void close_client(Client *client);
void send_packet(Client *client, const Text *packet);
void handle(Client *client, uint32_t events);

/* traffic.c */
typedef enum { SILENT, WARMING, MEASURING, DRAINING } Phase;

typedef struct {
    uint64_t sent, acked, delivered, bytes; /* so far */
    uint64_t duplicated, reordered, stray, refused, closed;
    uint64_t unfinished; /* messages at this moment */
} Counts;

extern Phase phase;
extern Counts counts;
void expand(Text *into, const char *template, const Client *client);
void prepare_senders(void);
void begin_sending(Time start);
Time send_what_is_due(Time now); /* open loop; returns when the next message is due */
void on_event(Client *receiver, const char *payload, size_t length, Time arrived);
void on_ack(Client *client, uint64_t id, const char *payload, size_t length, Time arrived);
uint64_t count_lost(void);
uint64_t count_unacked(void);

/* figures.c */
#define SUBDIVISIONS 64 /* of each power of two: 1.6 % exact */

typedef struct {
    uint64_t count, max;
    double sum;
    uint64_t buckets[(64 - 5) * SUBDIVISIONS];
} Histogram;

typedef struct {
    Time at;
    double server_cpu, core_busy, own_cpu; /* seconds */
    Counts counts;
} Snapshot;

extern Histogram deliveries, deliveries_after, acks, connects;
extern Time reading_stopped; /* from then on deliveries count as "after"; 0 until it has happened */
Time now(void);
void record(Histogram *histogram, uint64_t nanoseconds);
Snapshot take_snapshot(void);
double server_rss_mb(void);
void sample_rss(double at);
bool is_open_at_server(int client_fd);
void put(const char *name, double value); /* into the report */
void put_latency(const char *name, const Histogram *histogram);
void put_usage(const Snapshot *begin, const Snapshot *end);
void put_samples(void);

#endif
