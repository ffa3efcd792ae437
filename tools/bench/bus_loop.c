/* The least that a Modbus master on libmodbus can be: ask in turn, write between two questions.
 *
 * bus_loop SILENCE PERIOD_MS REGISTERS TIMEOUT_MS RELAY_UNIT rtu PORT BAUD UNIT...
 * bus_loop SILENCE PERIOD_MS REGISTERS TIMEOUT_MS RELAY_UNIT tcp PORT...
 *
 * PERIOD_MS 0: one question after the other. SILENCE 1: keep the line silent for 3.5 characters
 * before a question, which libmodbus does not do by itself. A line "write CODE AT_NS" on standard
 * input orders CODE to be written to register 0 of RELAY_UNIT once CLOCK_MONOTONIC is past AT_NS.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEVICES 64
#define MOST_ORDERS 4096
#define NS_PER_S 1000000000LL
#define LOOK_NS 20000000LL

struct device { modbus_t *line; int unit; long long due_ns; };
struct order { int code; long long at_ns; };

static struct device devices[MOST_DEVICES];
static struct order orders[MOST_ORDERS];
static int device_count, order_count, next_order;
static long long silence_ns, quiet_ns;

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void sleep_until(long long at_ns)
{
    struct timespec t = { at_ns / NS_PER_S, at_ns % NS_PER_S };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static modbus_t *ready(modbus_t *line, int timeout_ms)
{
    if (line == NULL || modbus_connect(line) != 0) {
        fprintf(stderr, "connect: %s\n", modbus_strerror(errno));
        exit(1);
    }
    modbus_set_response_timeout(line, timeout_ms / 1000, timeout_ms % 1000 * 1000);
    modbus_flush(line);
    return line;
}

static void add(modbus_t *line, int unit)
{
    if (device_count == MOST_DEVICES)
        exit(2);
    devices[device_count++] = (struct device) { line, unit, 0 };
}

/* All lines that are there, without waiting. */
static void take_orders(void)
{
    static char text[1 << 16];
    static size_t size;
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    while (poll(&in, 1, 0) == 1 && in.revents & POLLIN && size < sizeof text - 1) {
        ssize_t got = read(STDIN_FILENO, text + size, sizeof text - 1 - size);
        if (got <= 0)
            exit(0);
        size += (size_t) got;
    }
    char *begin = text, *end;
    while ((end = memchr(begin, '\n', size - (size_t) (begin - text))) != NULL) {
        struct order o;
        *end = '\0';
        if (order_count < MOST_ORDERS && sscanf(begin, "write %d %lld", &o.code, &o.at_ns) == 2)
            orders[order_count++] = o;
        begin = end + 1;
    }
    size -= (size_t) (begin - text);
    memmove(text, begin, size);
}

static void before(modbus_t *line, int unit)
{
    if (silence_ns != 0)
        sleep_until(quiet_ns + silence_ns);
    modbus_set_slave(line, unit);
}

static void after(int unit, int done)
{
    if (done < 0)
        fprintf(stderr, "unit %d: %s\n", unit, modbus_strerror(errno));
    quiet_ns = now_ns();
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 8)
        return 2;
    int period_ms = atoi(argv[2]), registers = atoi(argv[3]), timeout_ms = atoi(argv[4]);
    int relay_unit = atoi(argv[5]);
    if (strcmp(argv[6], "tcp") == 0) {
        for (int i = 7; i < argc; i++)
            add(ready(modbus_new_tcp("127.0.0.1", atoi(argv[i])), timeout_ms), i - 6);
    } else {
        int baud = atoi(argv[8]);
        modbus_t *line = ready(modbus_new_rtu(argv[7], baud, 'N', 8, 1), timeout_ms);
        if (atoi(argv[1]))
            silence_ns = baud > 19200 ? 1750000 : 35 * NS_PER_S / baud;
        for (int i = 9; i < argc; i++)
            add(line, atoi(argv[i]));
    }
    long long period_ns = period_ms * 1000000LL, begin_ns = now_ns();
    for (int i = 0; i < device_count; i++)
        devices[i].due_ns = begin_ns + i * period_ns / device_count;
    for (int turn = 0;; turn++) {
        uint16_t words[MODBUS_MAX_READ_REGISTERS];
        take_orders();
        if (next_order < order_count && orders[next_order].at_ns <= now_ns()) {
            before(devices[0].line, relay_unit);
            after(relay_unit,
                  modbus_write_register(devices[0].line, 0, orders[next_order++].code));
        }
        struct device *d = &devices[turn % device_count];
        if (period_ns != 0) {
            for (int i = 0; i < device_count; i++)
                if (devices[i].due_ns < d->due_ns)
                    d = &devices[i];
            long long until_ns = now_ns() + LOOK_NS;
            if (next_order < order_count && orders[next_order].at_ns < until_ns)
                until_ns = orders[next_order].at_ns;
            if (d->due_ns > until_ns) {
                sleep_until(until_ns);
                continue;
            }
            sleep_until(d->due_ns);
            /* a poll that is already past is skipped, as the agent does */
            do
                d->due_ns += period_ns;
            while (d->due_ns < now_ns());
        }
        before(d->line, d->unit);
        after(d->unit, modbus_read_registers(d->line, 0, registers, words));
    }
}
