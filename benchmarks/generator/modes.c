/* The three things that the generator can do.

     load      connect, join, send for a while, wait for what is under way, report
     idle      connect, join, hold still, report what the connections cost
     connects  connect, enter the namespace, leave, again and again, and report how fast that went */

#include "generator.h"

#define SETTLE 0.5     /* seconds for what joining sets off */
#define LINGER 0.2     /* seconds in which a duplicate of the last message would come */
#define LOOK_EVERY 0.1 /* seconds between two looks at the clock, or at the slow reader's connection */

static double closed_after = -1; /* seconds from when the slow reader stopped to when the server let it go */

/* Load */

/* Stop the slow reader when its time has come, look at the server's memory every second, and note when the
   server has had enough of that client. */
static void watch_slow_reader(double elapsed)
{
    static double looked, sampled;
    Client *reader = &clients[client_count - 1];
    if (!reading_stopped && elapsed >= options.stop_reading) {
        stop_reading(reader);
        reading_stopped = now();
    }
    for (; sampled <= elapsed; sampled++)
        sample_rss(sampled);
    if (reading_stopped && closed_after < 0 && elapsed - looked > LOOK_EVERY) {
        looked = elapsed;
        if (!is_open_at_server(reader->fd))
            closed_after = (double)(now() - reading_stopped) / SECOND;
    }
}

/* Let the measured time, or the measured number of messages, pass. */
static void measure(const Snapshot *begin)
{
    uint64_t sampled = 0;
    for (;;) {
        uint64_t done = counts.acked - begin->counts.acked;
        double elapsed = (double)(now() - begin->at) / SECOND;
        if (options.total ? done >= (uint64_t)options.total || counts.closed : elapsed >= options.seconds)
            return;
        if (options.sample_every && done >= sampled) {
            sample_rss((double)done);
            sampled += (uint64_t)options.sample_every;
        }
        if (options.stop_reading > 0)
            watch_slow_reader(elapsed);
        double left = options.total ? LOOK_EVERY : options.seconds - elapsed;
        wait_and_handle(now() + (Time)((left < LOOK_EVERY ? left : LOOK_EVERY) * SECOND));
    }
}

static void drain(void)
{
    phase = DRAINING;
    for (Time end = now() + (Time)(options.drain * SECOND); counts.unfinished && now() < end;)
        wait_and_handle(now() + (Time)(LOOK_EVERY * SECOND));
    run_for(LINGER);
}

/* Report what happened in the measured time, and over the whole run what went wrong. */
static void put_counts(const Counts *begin, const Counts *end)
{
    put("messages", options.ack ? end->acked - begin->acked : end->sent - begin->sent);
    put("deliveries", end->delivered - begin->delivered);
    put("bytes", end->bytes - begin->bytes);
    put("sent", counts.sent);
    put("acked", counts.acked);
    put("delivered", counts.delivered);
    put("lost", count_lost());
    put("duplicated", counts.duplicated);
    put("reordered", counts.reordered);
    put("unacked", count_unacked());
    put("refused", counts.refused);
    put("stray", counts.stray);
    put("closed", counts.closed);
}

void run_load(void)
{
    connect_all();
    prepare_senders();
    run_for(SETTLE);
    put("rss_before_mb", server_rss_mb());
    phase = WARMING;
    begin_sending(now());
    start_clock();
    run_for(options.warmup);
    phase = MEASURING;
    put("rss_warm_mb", server_rss_mb());
    Snapshot begin = take_snapshot();
    measure(&begin);
    Snapshot end = take_snapshot();
    put("rss_after_mb", server_rss_mb());
    if (options.sample_every)
        sample_rss(end.counts.acked - begin.counts.acked);
    drain();
    put_counts(&begin.counts, &end.counts);
    put_usage(&begin, &end);
    put_latency("delivery_ms", &deliveries);
    put_latency("ack_ms", &acks);
    put_samples();
    if (options.stop_reading > 0) {
        put_latency("delivery_after_ms", &deliveries_after);
        put("closed_after_seconds", closed_after);
    }
}

/* Idle */

void run_idle(void)
{
    put("rss_before_mb", server_rss_mb());
    Snapshot begin = take_snapshot();
    connect_all();
    Snapshot connected = take_snapshot();
    put("connections", client_count);
    put("connecting_seconds", (double)(connected.at - begin.at) / SECOND);
    put("connecting_cpu_seconds", connected.server_cpu - begin.server_cpu);
    run_for(2 * SETTLE);
    put("rss_after_mb", server_rss_mb());
    phase = MEASURING;
    Snapshot quiet = take_snapshot();
    run_for(options.seconds);
    Snapshot end = take_snapshot();
    put("closed", counts.closed);
    put_usage(&quiet, &end);
}

/* Connects */

static void keep_connecting(uint32_t until_entered, Time until)
{
    while (entered < until_entered && now() < until) {
        for (uint32_t i = 0; i < client_count; i++)
            if (clients[i].state == GONE)
                begin_connecting(&clients[i], begun++);
        wait_and_handle(now() + (Time)(LOOK_EVERY * SECOND));
        expect_progress(entered, "were admitted");
    }
}

void run_connects(void)
{
    only_connects = true;
    keep_connecting(UINT32_MAX, now() + (Time)(options.warmup * SECOND));
    put("rss_before_mb", server_rss_mb());
    phase = MEASURING;
    uint32_t first = entered;
    Snapshot begin = take_snapshot();
    keep_connecting(first + (uint32_t)options.total, UINT64_MAX);
    Snapshot end = take_snapshot();
    put("rss_after_mb", server_rss_mb());
    put("connections", entered - first);
    put_usage(&begin, &end);
    put_latency("connect_ms", &connects);
}
