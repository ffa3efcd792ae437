/* The least that can be done with libmodbus: poll registers, on a crossing write a coil.
 *
 * loop THRESHOLD RELAY_UNIT PORT,BAUD,UNIT,COUNT,PERIOD_MS,PHASE_MS[,RELAY_PORT,RELAY_BAUD]...
 * Each of the last words is polled; with a relay its first register drives coil 0 there.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define MOST 32
#define NS_PER_S 1000000000LL

struct port { char path[256]; modbus_t *line; };
struct poll { modbus_t *line, *relay; int unit, count, on; long long period_ns, due_ns; };

static struct port ports[MOST];
static struct poll polls[MOST];
static int port_count, poll_count;

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static modbus_t *open_port(const char *path, int baud)
{
    for (int i = 0; i < port_count; i++)
        if (strcmp(ports[i].path, path) == 0)
            return ports[i].line;
    modbus_t *line = modbus_new_rtu(path, baud, 'N', 8, 1);
    if (line == NULL || modbus_connect(line) != 0 || port_count == MOST) {
        fprintf(stderr, "%s: %s\n", path, modbus_strerror(errno));
        exit(1);
    }
    modbus_flush(line);
    snprintf(ports[port_count].path, sizeof ports[0].path, "%s", path);
    ports[port_count++].line = line;
    return line;
}

int main(int argc, char **argv)
{
    char path[256], relay_path[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 4 || argc - 3 > MOST)
        return 2;
    int threshold = atoi(argv[1]), relay_unit = atoi(argv[2]);
    long long begin = now_ns();
    for (int i = 3; i < argc; i++) {
        struct poll *p = &polls[poll_count++];
        int baud, relay_baud, period_ms;
        double phase_ms;
        int found = sscanf(argv[i], "%255[^,],%d,%d,%d,%d,%lf,%255[^,],%d", path, &baud, &p->unit,
                           &p->count, &period_ms, &phase_ms, relay_path, &relay_baud);
        if (found != 6 && found != 8)
            return 2;
        p->line = open_port(path, baud);
        p->relay = found == 8 ? open_port(relay_path, relay_baud) : NULL;
        p->period_ns = period_ms * 1000000LL;
        p->due_ns = begin + (long long)(phase_ms * 1e6);
    }
    for (;;) {
        uint16_t words[MODBUS_MAX_READ_REGISTERS];
        struct poll *p = &polls[0];
        for (int i = 1; i < poll_count; i++)
            if (polls[i].due_ns < p->due_ns)
                p = &polls[i];
        struct timespec due = { p->due_ns / NS_PER_S, p->due_ns % NS_PER_S };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        modbus_set_slave(p->line, p->unit);
        if (modbus_read_registers(p->line, 0, p->count, words) != p->count) {
            fprintf(stderr, "read %d: %s\n", p->unit, modbus_strerror(errno));
        } else if (p->relay != NULL) {
            int on = words[0] >= threshold;
            if (on != p->on) {
                modbus_set_slave(p->relay, relay_unit);
                if (modbus_write_bit(p->relay, 0, on) != 1)
                    fprintf(stderr, "write for %d: %s\n", p->unit, modbus_strerror(errno));
                p->on = on;
            }
        }
        /* a poll that is already past is skipped, as the agent does */
        do
            p->due_ns += p->period_ns;
        while (p->due_ns < now_ns());
    }
}
