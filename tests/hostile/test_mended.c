/*
 * test_mended.c - damage that no hash gives away: bytes are changed, then every hash above them is made right
 *
 * What is stored then says anything at all; the library must end each call, read nothing out of bounds, and hold no
 * more than 4 times the files and 16 MiB of memory. Answers may be wrong. VSS_SEED=n chooses the changes, VSS_CASE=n
 * makes only that one, VSS_TIER=full makes 40 times as many, brief a quarter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>

#include "../../lib/base/bytes.h"
#include "../../lib/base/hash.h"
#include "../../lib/format/object_private.h"
#include "../support/damage.h"
#include "../support/mend.h"
#include "../support/probe.h"
#include "../support/specimen.h"
#include "../support/tier.h"

#define MENDED_SEED 20261121u
#define MENDED_SECONDS 30u /* that one case may take, sanitizers included */
#define MENDED_SPARE (16u << 20)

/* Of the case at work, for the signal's handler. */
static char mended_case[128];

static void mended_hangs(int number)
{
    static const char text[] = "hangs: ";
    (void)number;
    (void)!write(2, text, sizeof text - 1);
    (void)!write(2, mended_case, strlen(mended_case));
    _exit(1);
}

/* What has come out of the cases, to see that the changes are neither all refused nor all without effect. */
typedef struct mended_tally {
    size_t cases, opened, refused_later, checked_bad, over;
} mended_tally;

static void mended_ask(archive *a, const char *name, uint64_t number, mended_tally *tally)
{
    probe found;
    uint64_t check_peak = 0;
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_error err = {VSS_OK};
    const uint64_t limit = 4 * (uint64_t)archive_bytes(a) + MENDED_SPARE;
    const bool map = number % 2 == 0;
    const vss_status opened = probe_ask(a, name, map, number % 4 != 0, &found);
    bool later = false;
    for (size_t i = 1; i < found.n_answers; i++)
        later = later || found.answers[i].status != VSS_OK;
    const vss_status checked = probe_check(a, name, map, &report, &check_peak, &err);
    tally->cases++;
    tally->opened += opened == VSS_OK;
    tally->refused_later += later;
    tally->checked_bad += checked != VSS_OK;
    if (found.peak > limit || check_peak > limit) {
        tally->over++;
        print_error("%s: %llu and %llu bytes held, at most %llu allowed\n", mended_case, (unsigned long long)found.peak,
                    (unsigned long long)check_peak, (unsigned long long)limit);
    }
    assert_int_not_equal(probe_write(a, name, map), VSS_ERR_INTERNAL); /* last: it changes the files */
    assert_int_not_equal(opened, VSS_ERR_INTERNAL);
    assert_int_not_equal(checked, VSS_ERR_INTERNAL);
}

static void mended_one(const archive *sound, const char *name, uint64_t seed, uint64_t number, mended_tally *tally)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u + number;
    archive a;
    archive_copy(sound, &a);
    const unsigned changes = vssi_random_next(&random) % 4 == 0 ? 3 : 1;
    for (unsigned i = 0; i < changes; i++)
        damage_random(&a, &random);
    mend_archive(&a, vssi_random_next(&random) % 2 == 0);
    snprintf(mended_case, sizeof mended_case, "collection %s, VSS_SEED=%llu VSS_CASE=%llu\n", name,
             (unsigned long long)seed, (unsigned long long)number);
    alarm(MENDED_SECONDS);
    mended_ask(&a, name, number, tally);
    alarm(0);
    archive_free(&a);
}

static void mended_run(specimen_kind kind, size_t cases)
{
    archive sound;
    mended_tally tally = {0};
    const char *name = specimen_name(kind);
    const uint64_t seed = tier_setting("VSS_SEED", MENDED_SEED), only = tier_setting("VSS_CASE", UINT64_MAX);
    specimen_make(kind, &sound);
    cases = tier_count(cases / 8, cases, cases * 40);
    print_message("%s: seed %llu\n", name, (unsigned long long)seed);
    for (uint64_t number = only != UINT64_MAX ? only : 0; number < (only != UINT64_MAX ? only + 1 : cases); number++)
        mended_one(&sound, name, seed, number, &tally);
    archive_free(&sound);
    print_message("%s: %zu cases: %zu opened, %zu refused a question, %zu bad by check, %zu took too much memory\n",
                  name, tally.cases, tally.opened, tally.refused_later, tally.checked_bad, tally.over);
    assert_int_equal(tally.over, 0);
    if (only != UINT64_MAX)
        return;
    assert_true(tally.opened > cases / 20);
    assert_true(tally.opened < cases);
    assert_true(tally.refused_later > 0);
    assert_true(tally.checked_bad > cases / 4);
}

static void test_mended_numbers(void **state)
{
    (void)state;
    mended_run(SPECIMEN_NUMBERS, 3000);
}

static void test_mended_texts(void **state)
{
    (void)state;
    mended_run(SPECIMEN_TEXTS, 3000);
}

static void test_mended_indexed(void **state)
{
    (void)state;
    mended_run(SPECIMEN_INDEXED, 750);
}

static void test_mended_coded(void **state)
{
    (void)state;
    mended_run(SPECIMEN_CODED, 750);
}

static void test_mended_lists(void **state)
{
    (void)state;
    mended_run(SPECIMEN_LISTS, 750);
}

static void test_mended_products(void **state)
{
    (void)state;
    mended_run(SPECIMEN_PRODUCTS, 750);
}

static void test_mended_nibbles(void **state)
{
    (void)state;
    mended_run(SPECIMEN_NIBBLES, 750);
}

static void test_mended_halves(void **state)
{
    (void)state;
    mended_run(SPECIMEN_HALVES, 750);
}

static void test_mended_tiny(void **state)
{
    (void)state;
    mended_run(SPECIMEN_TINY, 3000);
}

/* Mending a sound collection changes nothing: what mend.c knows of the format is what the library wrote. */
static void test_mend_is_right(void **state)
{
    (void)state;
    for (specimen_kind kind = 0; kind < SPECIMEN_KINDS; kind++) {
        archive sound, mended;
        specimen_make(kind, &sound);
        archive_copy(&sound, &mended);
        mend_archive(&mended, true);
        assert_int_equal(mended.n_files, sound.n_files);
        for (size_t i = 0; i < sound.n_files; i++) {
            assert_int_equal(mended.files[i].size, sound.files[i].size);
            assert_memory_equal(mended.files[i].data, sound.files[i].data, sound.files[i].size);
        }
        archive_free(&sound);
        archive_free(&mended);
    }
}

/* ---- key tables of a large segment, made to be slow ---- */

#define TABLE_ROWS 150000u

/* Every second word of the key table becomes `even`, the others `odd`. */
static void mended_fill_key_table(archive *a, uint32_t even, uint32_t odd)
{
    for (size_t i = 0; i < a->n_files; i++) {
        archive_file *file = &a->files[i];
        if (strstr(file->name, "/s/") == NULL)
            continue;
        const uint8_t *trailer = file->data + file->size - VSSI_OBJECT_TRAILER;
        const uint8_t *entry = file->data + vssi_load64(trailer + 40);
        for (uint32_t n = vssi_load32(trailer + 48); n > 0; n--, entry += VSSI_OBJECT_ENTRY) {
            const uint64_t begin = vssi_load64(entry + 16), size = vssi_load64(entry + 24);
            for (uint64_t at = 0; vssi_load32(entry) == VSSI_BLOCK_KEY_TABLE && at + 4 <= size; at += 4)
                vssi_store32(file->data + begin + at, at / 4 % 2 == 0 ? even : odd);
        }
    }
    mend_archive(a, false);
}

static void mended_key_table(const archive *sound, uint32_t even, uint32_t odd)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_error err = {VSS_OK};
    archive a;
    probe found;
    archive_copy(sound, &a);
    mended_fill_key_table(&a, even, odd);
    snprintf(mended_case, sizeof mended_case, "a key table of words %u and %u\n", even, odd);
    alarm(MENDED_SECONDS);
    assert_int_equal(probe_ask(&a, "large", true, true, &found), VSS_OK);
    assert_int_equal(probe_check(&a, "large", true, &report, NULL, &err), VSS_ERR_CORRUPT);
    alarm(0);
    archive_free(&a);
}

/* No table, whatever it says, may make a look-up or the check of all rows walk it again and again. */
static void test_key_tables(void **state)
{
    static const char schema[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
                                 "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 1}]}";
    static const uint32_t words[] = {0, 1, TABLE_ROWS - 1, TABLE_ROWS, UINT32_MAX};
    archive sound = {0};
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_error err = {VSS_OK};
    vss_db *db;
    (void)state;
    archive_storage(&sound, true, &storage);
    options.storage = &storage;
    assert_int_equal(vss_db_open("archive", &options, &db, &err), VSS_OK);
    specimen_insert(specimen_create(db, "large", schema), 0, TABLE_ROWS);
    assert_int_equal(vss_db_close(db, &err), VSS_OK);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        mended_key_table(&sound, words[i], words[i]);
        mended_key_table(&sound, 0, words[i]);
        mended_key_table(&sound, words[i], 0);
    }
    archive_free(&sound);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mend_is_right),   cmocka_unit_test(test_mended_tiny),
        cmocka_unit_test(test_mended_texts),    cmocka_unit_test(test_mended_numbers),
        cmocka_unit_test(test_mended_coded),
        cmocka_unit_test(test_mended_lists),
        cmocka_unit_test(test_mended_products),
        cmocka_unit_test(test_mended_indexed),  cmocka_unit_test(test_key_tables),
        cmocka_unit_test(test_mended_nibbles),  cmocka_unit_test(test_mended_halves),
    };
    signal(SIGALRM, mended_hangs);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
