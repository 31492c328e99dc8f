/*
 * test_kill.c - a writing process is killed at a random moment, again and again, on a real directory
 *
 * A child makes one write after another and tells each that was acknowledged through a pipe. The parent waits
 * for a few and a moment more, kills it with SIGKILL, reopens the collection and finds what was acknowledged, with at
 * most one write more. The next child goes on from there. What write i does follows from i alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/maker.h"
#include "../support/tier.h"

enum { DIM = 16, ROWS = 3, KEYS = 60000, KINDS = 8 };

typedef struct kill_state {
    char folder[64];
    uint32_t *stamps; /* [KEYS] the write that put the row there, 0: none */
    uint32_t written; /* writes that are in stamps */
    size_t rounds, more;
    size_t waited;    /* acknowledgements that were waited for before a kill */
} kill_state;

static vss_status kill_rows(vss_collection *col, int64_t first, uint32_t stamp, bool upsert, vss_error *err)
{
    int64_t keys[ROWS], numbers[ROWS];
    float vectors[ROWS * DIM];
    for (int i = 0; i < ROWS; i++) {
        keys[i] = first + i;
        numbers[i] = stamp;
    }
    for (int i = 0; i < ROWS * DIM; i++)
        vectors[i] = (float)stamp;
    vss_column id = maker_keys(keys, ROWS), number = maker_keys(numbers, ROWS);
    const vss_column v = {.struct_size = sizeof v, .type = VSS_TYPE_VECTOR_F32, .dim = DIM, .length = ROWS,
                          .data = vectors};
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &number, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return upsert ? vss_collection_upsert(col, &batch, NULL, err) : vss_collection_insert(col, &batch, NULL, err);
}

static int64_t kill_first(uint32_t i) { return (int64_t)i * ROWS % (KEYS - ROWS); }

static vss_status kill_write(vss_collection *col, uint32_t i, vss_error *err)
{
    int64_t keys[ROWS] = {kill_first(i - 3), kill_first(i - 3) + 1, kill_first(i - 5)};
    char filter[64];
    vss_column column = maker_keys(keys, ROWS);
    switch (i % KINDS) {
    case 4:
        return kill_rows(col, kill_first(i - 2), i, true, err);
    case 5:
        return vss_collection_delete(col, &column, NULL, err);
    case 6:
        if (i % 3 == 0)
            return vss_collection_compact(col, err);
        return i % 5 == 0 ? vss_collection_flush(col, err) : VSS_OK;
    case 7:
        (void)snprintf(filter, sizeof filter, "number == %u", i - 4);
        return vss_collection_delete_where(col, filter, NULL, err);
    default:
        return kill_rows(col, kill_first(i), i, false, err);
    }
}

/* The same to the model. */
static void kill_apply(uint32_t *stamps, uint32_t i)
{
    int64_t at = i % KINDS == 4 ? kill_first(i - 2) : kill_first(i);
    switch (i % KINDS) {
    case 5:
        stamps[kill_first(i - 3)] = stamps[kill_first(i - 3) + 1] = stamps[kill_first(i - 5)] = 0;
        break;
    case 6:
        break;
    case 7:
        for (int64_t k = 0; k < KEYS; k++)
            stamps[k] = stamps[k] == i - 4 ? 0 : stamps[k];
        break;
    default:
        for (int r = 0; r < ROWS; r++)
            stamps[at + r] = i;
    }
}

static vss_collection *kill_open(const kill_state *s, vss_db **db)
{
    vss_collection *col;
    vss_error err;
    MUST(vss_db_open(s->folder, NULL, db, &err));
    MUST(vss_collection_open(*db, "c", &col, &err));
    return col;
}

/* The child: never returns. */
static void kill_child(const kill_state *s, int pipe_end)
{
    vss_db *db;
    vss_collection *col;
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    /* The end of a process loses nothing either way. */
    options.sync = s->rounds % 3 == 0 ? VSS_SYNC_OFF : VSS_SYNC_COMMIT;
    if (vss_db_open(s->folder, &options, &db, &err) != VSS_OK || vss_collection_open(db, "c", &col, &err) != VSS_OK)
        _exit(1);
    for (uint32_t i = s->written + 1; i < KEYS / ROWS - 1; i++)
        if (kill_write(col, i, &err) != VSS_OK || write(pipe_end, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(2);
    _exit(3);
}

static bool kill_matches(vss_collection *col, const uint32_t *stamps)
{
    static int64_t all[KEYS];
    const char *fields[] = {"number", "v"};
    vss_result *rows;
    vss_error err;
    bool same = true;
    size_t n = 0, live = 0;
    for (int64_t k = 0; k < KEYS; k++) {
        live += stamps[k] != 0;
        all[k] = k;
    }
    vss_column keys = maker_keys(all, KEYS);
    MUST(vss_collection_get(col, &keys, fields, 2, &rows, &err));
    const int64_t *found = vss_result_keys(rows)->data, *numbers = vss_result_field(rows, "number")->data;
    const float *vectors = vss_result_field(rows, "v")->data;
    for (; n < vss_result_rows(rows) && same; n++)
        same = stamps[found[n]] == numbers[n] && vectors[n * DIM] == (float)numbers[n];
    same = same && n == live;
    vss_result_free(rows);
    return same;
}

static void kill_round(kill_state *s, maker_random *r)
{
    int ends[2], result;
    uint32_t acknowledged = s->written, i;
    vss_db *db;
    vss_error err;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        kill_child(s, ends[1]);
    (void)close(ends[1]);
    for (uint64_t wait = maker_next(r) % 12; wait > 0 && read(ends[0], &i, sizeof i) == (ssize_t)sizeof i; wait--) {
        acknowledged = i;
        s->waited++;
    }
    (void)usleep((useconds_t)(maker_next(r) % 20000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFSIGNALED(result))
        fail_msg("the child ended by itself: %d", WEXITSTATUS(result));
    while (read(ends[0], &i, sizeof i) == (ssize_t)sizeof i)
        acknowledged = i;
    (void)close(ends[0]);
    while (s->written < acknowledged)
        kill_apply(s->stamps, ++s->written);
    vss_collection *col = kill_open(s, &db);
    if (!kill_matches(col, s->stamps)) {
        kill_apply(s->stamps, ++s->written); /* the one that was cut off, whole */
        s->more++;
        if (!kill_matches(col, s->stamps))
            fail_msg("killed after write %u: neither what was acknowledged nor one more", acknowledged);
    }
    MUST(vss_collection_check(db, "c", NULL, NULL, NULL, NULL, NULL, &err));
    MUST(vss_db_close(db, &err));
    s->rounds++;
}

/* Rounds on one directory, at most so many, as long as there are keys. Returns how many; *waited grows. */
static size_t kill_directory(size_t most, maker_random *r, size_t *waited)
{
    kill_state s = {.folder = "/tmp/vss-kill-XXXXXX"};
    vss_db *db;
    vss_error err;
    char command[96];
    assert_non_null(mkdtemp(s.folder));
    s.stamps = calloc(KEYS, sizeof *s.stamps);
    MUST(vss_db_open(s.folder, NULL, &db, &err));
    (void)maker_create(db, DIM, VSS_METRIC_L2);
    MUST(vss_db_close(db, &err));
    s.written = 7;
    while (s.rounds < most && s.written < KEYS / ROWS - 2000)
        kill_round(&s, r);
    print_message("%zu processes killed, %u writes acknowledged, %zu times the write that was cut off was whole\n",
                  s.rounds, s.written - 7, s.more);
    assert_true(s.rounds > 0 && s.written - 7 >= s.waited);
    *waited += s.waited;
    free(s.stamps);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s.folder);
    assert_int_equal(system(command), 0);
    return s.rounds;
}

static void kill__loses_nothing(void **state)
{
    maker_random r = {77};
    size_t waited = 0;
    (void)state;
    for (size_t left = tier_count(40, 40, 1000); left > 0;)
        left -= kill_directory(left, &r, &waited);
    assert_true(waited > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kill__loses_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
