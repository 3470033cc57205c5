// The counters of all loops together, the state of the reader threads, and an estimate of what is
// in memory.
#include "commands/info_cold.h"

#include <sys/resource.h>

#include "serve/readers.h"

typedef unsigned long long ull;

enum { DISK_BLOCK = 512 }; // bytes of a unit of ru_inblock

#define TOTAL(service, name) ((ull)service_total(service, offsetof(struct stats, name)))

static void memory_fields(const struct session *s, struct buf *b)
{
    const struct dataset *d = session_dataset(s);
    uint64_t allowed = s->service->group->memory_allowed;
    uint64_t *random = &s->service->random_state;
    buf_printf(b, "memory_allowed:%llu\r\n", (ull)allowed);
    buf_printf(b, "dataset_fits_in_memory:%d\r\n", dataset_fits_in_memory(d, allowed));
    buf_printf(b, "dataset_index_locked:%d\r\n", dataset_index_is_locked(d));
    buf_printf(b, "dataset_resident_bytes_sampled:%lld\r\n",
               (long long)dataset_data_resident(d, random));
    buf_printf(b, "dataset_index_resident_bytes_sampled:%lld\r\n",
               (long long)dataset_index_resident(d, random));
}

// Writes how long requests have waited: the mean, and the percentiles that INFO latencystats shows.
static void wait_fields(const struct service *service, struct buf *b)
{
    struct histogram_sum sum;
    struct percentiles percentiles = service_percentiles(service);
    double ns = (double)TOTAL(service, parked_ns);
    ull parks = TOTAL(service, parks);
    ull parked = TOTAL(service, parked_requests);
    ull ended = parks > parked ? parks - parked : 0;
    buf_printf(b, "cold_parked_requests:%llu\r\n", parked);
    buf_printf(b, "total_cold_parked_requests:%llu\r\n", parks);
    buf_printf(b, "cold_wait_usec_per_request:%.2f\r\n",
               ended > 0 ? ns / 1000 / (double)ended : 0.0);
    service_histogram(service, HISTOGRAM_COLD_READ, &sum);
    buf_append_text(b, "cold_wait_percentiles_usec:");
    percentiles_append(&percentiles, &sum, b);
    buf_append_text(b, "\r\n");
}

void info_cold(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    const struct readers *readers = service->group->readers;
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    memory_fields(s, b);
    buf_printf(b, "cold_active_loops:%llu\r\n", TOTAL(service, cold_active));
    buf_printf(b, "cold_read_threads:%u\r\n", readers != NULL ? readers_count(readers) : 0);
    buf_printf(b, "cold_reads_in_progress:%u\r\n", readers != NULL ? readers_working(readers) : 0);
    buf_printf(b, "cold_reads_waiting:%llu\r\n",
               readers != NULL ? (ull)readers_waiting(readers) : 0);
    wait_fields(service, b);
    buf_printf(b, "total_cold_lookups:%llu\r\n", TOTAL(service, cold_lookups));
    buf_printf(b, "total_cold_probes:%llu\r\n", TOTAL(service, probes));
    buf_printf(b, "total_disk_read_bytes:%llu\r\n", (ull)usage.ru_inblock * DISK_BLOCK);
    buf_printf(b, "total_major_page_faults:%llu\r\n", (ull)usage.ru_majflt);
}
