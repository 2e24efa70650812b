/* Messages: how they are sent, and the checks of what comes of them.

   A sender's messages are numbered 0, 1, 2 …; and each receiver must hear of every one, once, in this order.
   A mark in the payload, "mark:" with the sender's number and the message's, tells which one a delivery is.
   Where an event carries nothing of the sender's choosing, the next message of that sender is taken to have
   arrived: losses and duplicates then show as counts that do not match, and order cannot be told. */

#define _GNU_SOURCE
#include "generator.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "mark:"
#define MARK_LENGTH (sizeof MARK - 1)
#define DIGITS 8 /* hexadecimal, of either number */
#define FIRST_CAPACITY 16

/* A message that was overtaken: it may still come late, and is lost if it does not. */
typedef struct {
    const uint32_t *pair;
    uint32_t seq;
} Hole;

Phase phase = SILENT;
Counts counts;

static Client **senders;
static size_t sender_count, turn;
static bool is_marked;
static Hole *holes;
static size_t hole_count, hole_capacity;
static Time first_due;
static uint64_t scheduled;

void append(Text *text, const void *bytes, size_t length)
{
    if (text->length + length > text->capacity) {
        text->capacity = (text->length + length) * 2;
        text->bytes = realloc(text->bytes, text->capacity);
    }
    if (length)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void append_format(Text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *written = NULL;
    int length = vasprintf(&written, format, arguments);
    va_end(arguments);
    if (length > 0)
        append(text, written, (size_t)length);
    free(written);
}

static bool begins(const char *template, const char *name)
{
    return !strncmp(template, name, strlen(name));
}

void expand(Text *into, const char *template, const Client *client)
{
    for (size_t length; *template; template += length) {
        length = strcspn(template, "}") + 1;
        if (begins(template, "{client}"))
            append_format(into, "%u", client->number);
        else if (begins(template, "{room}"))
            append_format(into, "%s", client->room ? client->room->id : "");
        else if (begins(template, "{token}"))
            append_format(into, "%s", token_of(client->number));
        else if (begins(template, "{mark}"))
            append_format(into, MARK "%08x%08x", client->number, 0u);
        else
            append(into, template, length = 1);
    }
}

/* Sending */

static uint32_t deliveries_expected(const Room *room)
{
    return room->size - !options.echo;
}

static Sender *make_sender(Client *client)
{
    Sender *sender = calloc(1, sizeof *sender);
    sender->capacity = FIRST_CAPACITY;
    sender->flights = calloc(sender->capacity, sizeof *sender->flights);
    append_format(&sender->body, "[\"%s\",", options.event);
    expand(&sender->body, options.payload, client);
    append(&sender->body, "]", 1);
    return sender;
}

void prepare_senders(void)
{
    is_marked = strstr(options.payload, "{mark}");
    for (size_t i = 0; i < room_count; i++) {
        Room *room = &rooms[i];
        room->senders = options.senders ? (uint32_t)options.senders : room->size;
        room->seen = calloc((size_t)room->senders * room->size, sizeof *room->seen);
        senders = realloc(senders, (sender_count + room->senders) * sizeof *senders);
        for (uint32_t j = 0; j < room->senders; j++) {
            senders[sender_count] = &clients[room->first + j];
            senders[sender_count]->sender = make_sender(senders[sender_count]);
            sender_count++;
        }
    }
}

static Flight *flight_of(Sender *sender, uint32_t seq)
{
    return &sender->flights[seq & (sender->capacity - 1)];
}

/* Give a sender's ring twice the room; each flight gets the place that its number has in the new one. */
static void grow(Sender *sender)
{
    Sender larger = *sender;
    larger.capacity *= 2;
    larger.flights = calloc(larger.capacity, sizeof *larger.flights);
    for (uint32_t seq = sender->oldest; seq != sender->next; seq++)
        *flight_of(&larger, seq) = *flight_of(sender, seq);
    free(sender->flights);
    *sender = larger;
}

/* Write the message's number into each mark of the body. */
static void number_marks(Text *body, uint32_t seq)
{
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%08x", seq);
    char *at = body->bytes, *end = body->bytes + body->length;
    while ((at = memmem(at, (size_t)(end - at), MARK, MARK_LENGTH))) {
        at += MARK_LENGTH + DIGITS;
        memcpy(at, digits, DIGITS);
    }
}

static void send_message(Client *client, Time due)
{
    static Text packet;
    Sender *sender = client->sender;
    if (sender->next - sender->oldest == sender->capacity)
        grow(sender);
    uint32_t seq = sender->next++;
    uint32_t awaited = deliveries_expected(client->room);
    *flight_of(sender, seq) = (Flight){due, awaited, !options.ack, phase == MEASURING};
    sender->unfinished++;
    counts.unfinished++;
    counts.sent++;
    if (is_marked)
        number_marks(&sender->body, seq);
    packet.length = 0;
    append(&packet, "42", 2);
    if (strcmp(options.namespace, "/"))
        append_format(&packet, "%s,", options.namespace);
    if (options.ack) /* 0 was the join's */
        append_format(&packet, "%u", seq + 1);
    append(&packet, sender->body.bytes, sender->body.length);
    send_packet(client, &packet);
}

/* Closed loop: send as long as fewer messages are unfinished than may be. */
static void send_next(Client *client)
{
    if (options.rate > 0)
        return;
    while ((phase == WARMING || phase == MEASURING) && client->state == READY
           && client->sender->unfinished < (uint32_t)options.in_flight)
        send_message(client, now());
}

void begin_sending(Time start)
{
    first_due = start;
    for (size_t i = 0; i < sender_count; i++)
        send_next(senders[i]);
}

/* Open loop: the clock decides, and a message that leaves late is late from when it was due, so that a server
   that falls behind cannot hide it. */
Time send_what_is_due(Time now)
{
    for (;;) {
        Time due = first_due + (Time)((double)scheduled / options.rate * SECOND);
        if (due > now)
            return due;
        Client *client = senders[turn++ % sender_count];
        scheduled++;
        if (client->state == READY)
            send_message(client, due);
    }
}

/* Checking */

static void finish_if_complete(Client *client, const Flight *flight)
{
    Sender *sender = client->sender;
    if (flight->awaited || !flight->is_acked)
        return;
    sender->unfinished--;
    counts.unfinished--;
    while (sender->oldest != sender->next) {
        const Flight *oldest = flight_of(sender, sender->oldest);
        if (oldest->awaited || !oldest->is_acked)
            break;
        sender->oldest++;
    }
    send_next(client);
}

static void add_hole(const uint32_t *pair, uint32_t seq)
{
    if (hole_count == hole_capacity) {
        hole_capacity = hole_capacity ? hole_capacity * 2 : 64;
        holes = realloc(holes, hole_capacity * sizeof *holes);
    }
    holes[hole_count++] = (Hole){pair, seq};
}

static bool fill_hole(const uint32_t *pair, uint32_t seq)
{
    for (size_t i = hole_count; i-- > 0;)
        if (holes[i].pair == pair && holes[i].seq == seq) {
            holes[i] = holes[--hole_count];
            return true;
        }
    return false;
}

/* Note that a pair has come to this message; return false if that is nothing that is still awaited. */
static bool note_progress(uint32_t *pair, uint32_t seq)
{
    if (seq < *pair) {
        bool is_late = fill_hole(pair, seq);
        counts.reordered += is_late;
        counts.duplicated += !is_late;
        return is_late;
    }
    for (; *pair < seq; (*pair)++)
        add_hole(pair, *pair);
    ++*pair;
    return true;
}

static uint32_t read_hexadecimal(const char *digits)
{
    uint32_t number = 0;
    for (int i = 0; i < DIGITS; i++)
        number = number << 4 | (uint32_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return number;
}

/* Find who sent what was delivered and, with a mark, the message's number. */
static bool identify(const char *payload, size_t length, uint32_t *sender, uint32_t *seq)
{
    const char *after = is_marked ? MARK : options.sender_after;
    size_t skip = strlen(after);
    const char *at = memmem(payload, length, after, skip);
    if (!at)
        return false;
    at += skip;
    if (is_marked) {
        if (payload + length - at < 2 * DIGITS)
            return false;
        *sender = read_hexadecimal(at);
        *seq = read_hexadecimal(at + DIGITS);
        return true;
    }
    *sender = 0;
    for (; at < payload + length && *at >= '0' && *at <= '9'; at++)
        *sender = *sender * 10 + (uint32_t)(*at - '0');
    return true;
}

/* Return the count of the pair, or NULL if nothing of this sender belongs to this receiver. */
static uint32_t *pair_of(const Client *receiver, uint32_t number)
{
    const Room *room = receiver->room;
    if (number - room->first >= room->senders || (number == receiver->number && !options.echo))
        return NULL;
    return &room->seen[(size_t)(number - room->first) * room->size + (receiver->number - room->first)];
}

static void take_delivery(Client *receiver, const char *payload, size_t length, Time arrived)
{
    uint32_t number, seq = 0;
    uint32_t *pair = identify(payload, length, &number, &seq) ? pair_of(receiver, number) : NULL;
    Sender *sender = pair ? clients[number].sender : NULL;
    if (sender && !is_marked)
        seq = *pair;
    if (!sender || (is_marked && seq >= sender->next)) {
        counts.stray++;
        return;
    }
    if (seq >= sender->next) {
        counts.duplicated++;
        return;
    }
    if (!note_progress(pair, seq))
        return;
    Flight *flight = flight_of(sender, seq);
    counts.delivered++;
    counts.bytes += length;
    if (flight->is_measured) {
        bool is_after = reading_stopped && flight->due >= reading_stopped;
        record(is_after ? &deliveries_after : &deliveries, arrived > flight->due ? arrived - flight->due : 0);
    }
    flight->awaited--;
    finish_if_complete(&clients[number], flight);
}

void on_event(Client *receiver, const char *payload, size_t length, Time arrived)
{
    static size_t name_length;
    if (!name_length)
        name_length = strlen(options.heard_event);
    if (receiver->is_counted && length > name_length + 4 && payload[2 + name_length] == '"'
        && !memcmp(payload + 2, options.heard_event, name_length))
        take_delivery(receiver, payload, length, arrived);
}

void on_ack(Client *client, uint64_t id, const char *payload, size_t length, Time arrived)
{
    Sender *sender = client->sender;
    uint32_t seq = (uint32_t)id - 1;
    bool is_under_way = sender && seq - sender->oldest < sender->next - sender->oldest;
    if (!is_under_way || flight_of(sender, seq)->is_acked) {
        counts.stray++;
        return;
    }
    if (!memmem(payload, length, "\"success\":true", 14) && !counts.refused++)
        fprintf(stderr, "generator: refused: %.*s\n", (int)(length < 300 ? length : 300), payload);
    Flight *flight = flight_of(sender, seq);
    flight->is_acked = true;
    counts.acked++;
    if (flight->is_measured)
        record(&acks, arrived > flight->due ? arrived - flight->due : 0);
    finish_if_complete(client, flight);
}

uint64_t count_lost(void)
{
    uint64_t lost = hole_count;
    for (size_t i = 0; i < room_count; i++)
        for (uint32_t sender = 0; sender < rooms[i].senders; sender++)
            for (uint32_t receiver = 0; receiver < rooms[i].size; receiver++)
                if (sender != receiver || options.echo)
                    lost += clients[rooms[i].first + sender].sender->next
                            - rooms[i].seen[sender * rooms[i].size + receiver];
    return lost;
}

uint64_t count_unacked(void)
{
    return options.ack ? counts.sent - counts.acked : 0;
}
