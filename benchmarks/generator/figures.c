/* Clocks, latencies, and what /proc tells of the server. */

#include "generator.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TCP_IS_ESTABLISHED 1 /* as /proc/net/tcp writes it */

Histogram deliveries, deliveries_after, acks, connects;
Time reading_stopped;

static struct {
    double at, mb;
} *samples;
static size_t sample_count;

static Time read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (Time)time.tv_sec * (Time)SECOND + (Time)time.tv_nsec;
}

Time now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Buckets are as wide as their power of two is large, so that every latency is equally exact and a run of
   any length takes the same memory. */
static size_t bucket_of(uint64_t value)
{
    if (value < SUBDIVISIONS)
        return value;
    int shift = 63 - __builtin_clzll(value) - 6;
    return (size_t)(shift + 1) * SUBDIVISIONS + ((value >> shift) - SUBDIVISIONS);
}

static uint64_t upper_end(size_t bucket)
{
    if (bucket < SUBDIVISIONS)
        return bucket;
    size_t shift = bucket / SUBDIVISIONS - 1;
    return ((bucket % SUBDIVISIONS + SUBDIVISIONS + 1) << shift) - 1;
}

void record(Histogram *histogram, uint64_t nanoseconds)
{
    histogram->buckets[bucket_of(nanoseconds)]++;
    histogram->count++;
    histogram->sum += (double)nanoseconds;
    if (nanoseconds > histogram->max)
        histogram->max = nanoseconds;
}

static uint64_t percentile(const Histogram *histogram, double percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t passed = 0;
    for (size_t bucket = 0; bucket < sizeof histogram->buckets / sizeof *histogram->buckets; bucket++) {
        passed += histogram->buckets[bucket];
        if (passed && (double)passed >= wanted)
            return upper_end(bucket) < histogram->max ? upper_end(bucket) : histogram->max;
    }
    return histogram->max;
}

/* Return the processor seconds of all the server's threads. The scheduler's accounts are exact; the times in
   /proc/PID/stat are guessed from ticks, and are wrong by several per cent for a server that often sleeps. */
static double server_cpu_seconds(void)
{
    char path[600];
    double nanoseconds = 0;
    snprintf(path, sizeof path, "/proc/%d/task", options.pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        unsigned long long spent;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", options.pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fscanf(file, "%llu", &spent) == 1)
            nanoseconds += (double)spent;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return nanoseconds / SECOND;
}

/* Return the seconds that everybody together has used of the server's core. */
static double core_busy_seconds(void)
{
    char line[512];
    double busy = 0;
    FILE *file = fopen("/proc/stat", "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long user, nice, system, irq, softirq, steal;
        int core;
        if (sscanf(line, "cpu%d %llu %llu %llu %*u %*u %llu %llu %llu", &core, &user, &nice, &system, &irq,
                   &softirq, &steal) == 7
            && core == options.core)
            busy = (double)(user + nice + system + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK);
    }
    if (file)
        fclose(file);
    return busy;
}

Snapshot take_snapshot(void)
{
    double own_cpu = (double)read_clock(CLOCK_PROCESS_CPUTIME_ID) / SECOND;
    return (Snapshot){now(), server_cpu_seconds(), core_busy_seconds(), own_cpu, counts};
}

double server_rss_mb(void)
{
    char path[64];
    long size, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", options.pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

void sample_rss(double at)
{
    samples = realloc(samples, (sample_count + 1) * sizeof *samples);
    samples[sample_count].at = at;
    samples[sample_count++].mb = server_rss_mb();
}

/* Tell whether the server still holds its end of a client's connection. The client itself cannot know while
   it does not read: the farewell stands behind everything that it has not taken. */
bool is_open_at_server(int client_fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(client_fd, (struct sockaddr *)&address, &size))
        return false;
    unsigned wanted = ntohs(address.sin_port), local, remote, state;
    char line[512];
    bool is_open = false;
    FILE *table = fopen("/proc/net/tcp", "r");
    while (table && fgets(line, sizeof line, table))
        if (sscanf(line, " %*d: %*x:%x %*x:%x %x", &local, &remote, &state) == 3)
            is_open |= local == (unsigned)options.port && remote == wanted && state == TCP_IS_ESTABLISHED;
    if (table)
        fclose(table);
    return is_open;
}

/* The report is one JSON object; main prints its braces. */
void put(const char *name, double value)
{
    static bool is_begun;
    printf("%s\"%s\": %.12g", is_begun ? ", " : "", name, value);
    is_begun = true;
}

void put_latency(const char *name, const Histogram *histogram)
{
    static const double percents[] = {50, 75, 90, 95, 99, 99.9, 99.99};
    double count = histogram->count ? (double)histogram->count : 1;
    printf(", \"%s\": {\"mean\": %.4f", name, histogram->sum / count / 1e6);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        printf(", \"p%g\": %.4f", percents[i], (double)percentile(histogram, percents[i]) / 1e6);
    printf(", \"max\": %.4f}", (double)histogram->max / 1e6);
}

void put_usage(const Snapshot *begin, const Snapshot *end)
{
    put("seconds", (double)(end->at - begin->at) / SECOND);
    put("server_cpu_seconds", end->server_cpu - begin->server_cpu);
    put("core_busy_seconds", end->core_busy - begin->core_busy);
    put("generator_cpu_seconds", end->own_cpu - begin->own_cpu);
}

void put_samples(void)
{
    printf(", \"rss_samples\": [");
    for (size_t i = 0; i < sample_count; i++)
        printf("%s[%.10g, %.3f]", i ? ", " : "", samples[i].at, samples[i].mb);
    printf("]");
}
