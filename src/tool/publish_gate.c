#include "tool/publish_gate.h"

#include <limits.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/shell.h"
#include "data/compare.h"
#include "data/verify_variables.h"
#include "tool/tool.h"

typedef unsigned long long ull;

// Whether `part` of `whole` is more than `percent`.
static bool exceeds(uint64_t part, uint64_t whole, unsigned percent)
{
    return (double)part * 100 > (double)whole * percent;
}

// Sets `*lost` to the number of current keys that `d` lacks. Returns TOOL_OK, or TOOL_ERROR with a
// message.
static int count_lost(const char *store, const struct store_manifest *current,
                      const struct dataset *d, uint64_t *lost, struct error *error)
{
    char path[PATH_MAX];
    struct dataset_settings settings = tool_settings();
    if (!store_path(store, current->version, STORE_DATA, path, sizeof path, error))
        return TOOL_ERROR;
    struct dataset *old = dataset_open(path, &settings, NULL, error);
    if (old == NULL)
        return TOOL_ERROR;
    old = dataset_finished(old, error);
    if (old == NULL)
        return TOOL_ERROR;
    tool_step("comparing", path, false);
    const struct compare_settings how = {.progress = tool_on_progress};
    bool good = compare_count_lost(old, d, &how, lost, error);
    tool_step_hide();
    dataset_close(old);
    return good ? TOOL_OK : TOOL_ERROR;
}

// ---- the command --------------------------------------------------------------------------------

static int run_command(const struct publish_gate *gate, const char *store,
                       const struct store_manifest *m, const struct dataset *d,
                       const struct store_manifest *current, uint64_t lost, struct error *error)
{
    struct shell_variables v = {0};
    struct error why;
    verify_variables_add(&v, d, m->version, current != NULL ? current->version : "",
                         current != NULL ? current->keys : 0);
    shell_variables_add(&v, "STELE_STORE=%s", store);
    shell_variables_add(&v, "STELE_MADE_AT=%lld", (long long)m->made_at);
    shell_variables_add(&v, "STELE_LOST_KEYS=%llu", (ull)lost);
    if (current != NULL)
        shell_variables_add(&v, "STELE_CURRENT_DATA=%s/" STORE_VERSIONS "/%s/" STORE_DATA, store,
                            current->version);
    else
        shell_variables_add(&v, "STELE_CURRENT_DATA=");
    enum shell_result result = shell_run(gate->verify, &v, gate->verify_seconds, NULL, &why);
    if (result != SHELL_YES)
        error_set(error, "the command of --verify refuses it: %s", why.text);
    shell_variables_release(&v);
    return result == SHELL_YES ? TOOL_OK : result == SHELL_NO ? TOOL_NO : TOOL_ERROR;
}

// ---- all checks ---------------------------------------------------------------------------------

int publish_gate_check(const struct publish_gate *gate, const char *store,
                       const struct store_manifest *m, const struct dataset *d,
                       const struct store_manifest *current, struct error *error)
{
    uint64_t lost = 0;
    if (m->keys == 0) {
        error_set(error, "it has no keys");
        return TOOL_NO;
    }
    if (dataset_last_line_is_unterminated(d)) {
        error_set(error, "its last line does not end in a newline: it may have been cut");
        return TOOL_NO;
    }
    if (current != NULL && m->keys < current->keys &&
        exceeds(current->keys - m->keys, current->keys, gate->max_shrink)) {
        error_set(error,
                  "it has %llu keys, and version %s has %llu: %.1f %% fewer, and --max-shrink "
                  "allows %u %%",
                  (ull)m->keys, current->version, (ull)current->keys,
                  100.0 * (double)(current->keys - m->keys) / (double)current->keys,
                  gate->max_shrink);
        return TOOL_NO;
    }
    if (current != NULL && (gate->max_lost < 100 || gate->verify != NULL)) {
        int code = count_lost(store, current, d, &lost, error);
        if (code != TOOL_OK)
            return code;
        if (exceeds(lost, current->keys, gate->max_lost)) {
            error_set(
                error,
                "it lacks %llu of the %llu keys of version %s: %.1f %%, and --max-lost allows "
                "%u %%",
                (ull)lost, (ull)current->keys, current->version,
                100.0 * (double)lost / (double)current->keys, gate->max_lost);
            return TOOL_NO;
        }
    }
    return gate->verify != NULL ? run_command(gate, store, m, d, current, lost, error) : TOOL_OK;
}
