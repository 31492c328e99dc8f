/*
 * test_bytes.c - every stored byte is checked: flips, cuts, swaps and losses of files
 *
 * Each damage must be reported by vss_collection_check; opening, searching, filtering and getting beside it must end
 * in an error or in exactly the sound answer. Quick: every byte of headers, tails, manifests and blocks of at most 4
 * KiB, every 31st of larger ones; VSS_TIER=full: every byte; brief: a third of the quick ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/bytes.h"
#include "../../lib/format/object_private.h"
#include "../support/probe.h"
#include "../support/specimen.h"
#include "../support/tier.h"

#define BYTES_SMALL 4096u
#define BYTES_STEP 31u
#define BYTES_ASK_EVERY 8u /* flips of an indexed collection, whose answers cost more */
#define BYTES_SHOWN 10u

typedef struct bytes_run {
    archive files;
    const char *name;
    specimen_kind kind;
    probe sound;
    size_t damages, reported, wrong;
} bytes_run;

static void bytes_begin(bytes_run *run, specimen_kind kind)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_error err = {VSS_OK};
    *run = (bytes_run){.name = specimen_name(kind), .kind = kind};
    specimen_make(kind, &run->files);
    assert_int_equal(probe_ask(&run->files, run->name, true, kind == SPECIMEN_INDEXED, &run->sound), VSS_OK);
    for (size_t i = 0; i < run->sound.n_answers; i++)
        if (run->sound.answers[i].status != VSS_OK)
            fail_msg("%s: %s", run->sound.answers[i].what, run->sound.answers[i].line);
    if (probe_check(&run->files, run->name, true, &report, NULL, &err) != VSS_OK)
        fail_msg("undamaged: %s", err.message);
    assert_int_equal(report.errors, 0);
    assert_int_equal(report.files, run->files.n_files);
    assert_int_equal(report.bytes, archive_bytes(&run->files));
}

static void bytes_end(bytes_run *run, const char *what)
{
    archive_free(&run->files);
    print_message("%s: %zu %s, %zu reported\n", run->name, run->damages, what, run->reported);
    assert_true(run->damages > 0);
    assert_int_equal(run->reported, run->damages);
    assert_int_equal(run->wrong, 0);
}

static bool bytes_is_report(vss_status status)
{
    return status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT || status == VSS_ERR_NOT_FOUND;
}

/* One damage, already done: is it reported, are the answers right? */
static void bytes_judge(bytes_run *run, const char *damage, const char *file, size_t at, bool ask)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_error err = {VSS_OK};
    probe found;
    const vss_status status = probe_check(&run->files, run->name, true, &report, NULL, &err);
    const bool reported = bytes_is_report(status) && (status != VSS_ERR_CORRUPT || report.errors > 0) &&
                          err.message[0] != '\0' && strchr(err.message, '\n') == NULL;
    run->damages++;
    run->reported += reported;
    if (!reported && run->damages - run->reported <= BYTES_SHOWN)
        print_error("%s %s at %zu: check says %s: %s\n", file, damage, at, vss_status_name(status), err.message);
    if (!ask)
        return;
    probe_ask(&run->files, run->name, true, run->kind == SPECIMEN_INDEXED, &found);
    const probe_answer *bad = probe_compare(&run->sound, &found);
    if (bad != NULL && run->wrong++ < BYTES_SHOWN)
        print_error("%s %s at %zu: a wrong answer to %s\n", file, damage, at, bad->what);
}

/* ---- flips ---- */

/* Where the bytes of large blocks are: mask[size] is 1. */
static void bytes_large_blocks(const archive_file *file, uint8_t *mask)
{
    if (file->size < VSSI_OBJECT_HEADER + VSSI_OBJECT_TRAILER || strstr(file->name, "/m/") != NULL)
        return;
    const uint8_t *trailer = file->data + file->size - VSSI_OBJECT_TRAILER;
    const uint64_t directory = vssi_load64(trailer + 40), n = vssi_load32(trailer + 48);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *entry = file->data + directory + i * VSSI_OBJECT_ENTRY;
        const uint64_t offset = vssi_load64(entry + 16), size = vssi_load64(entry + 24);
        if (size > BYTES_SMALL)
            memset(mask + offset, 1, (size_t)size);
    }
}

static void bytes_flip_file(bytes_run *run, size_t number)
{
    archive_file *file = &run->files.files[number];
    uint8_t *large = calloc(file->size, 1);
    assert_non_null(large);
    if (!tier_full())
        bytes_large_blocks(file, large);
    for (size_t at = 0; at < file->size; at++) {
        const uint8_t mask = at % 2 == 0 ? 0x01 : 0xff;
        if (at % (large[at] ? BYTES_STEP : 1) != 0 || (tier_brief() && at % 3 != 0))
            continue;
        file->data[at] ^= mask;
        bytes_judge(run, "flipped", file->name, at, !large[at] || run->damages % BYTES_ASK_EVERY == 0);
        file->data[at] ^= mask;
    }
    free(large);
}

static void bytes_flip(specimen_kind kind)
{
    bytes_run run;
    bytes_begin(&run, kind);
    for (size_t i = 0; i < run.files.n_files; i++)
        bytes_flip_file(&run, i);
    bytes_end(&run, "flips");
}

static void test_flip_numbers(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_NUMBERS);
}

static void test_flip_texts(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_TEXTS);
}

static void test_flip_indexed(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_INDEXED);
}

static void test_flip_coded(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_CODED);
}

static void test_flip_lists(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_LISTS);
}

static void test_flip_products(void **state)
{
    (void)state;
    bytes_flip(SPECIMEN_PRODUCTS);
}

/* ---- whole files ---- */

static void bytes_resized(bytes_run *run, size_t number, size_t size, const char *damage)
{
    archive_file *file = &run->files.files[number];
    archive_file kept = *file;
    *file = (archive_file){.name = kept.name};
    archive_set(&run->files, kept.name, kept.data, kept.size);
    archive_resize(file, size);
    bytes_judge(run, damage, file->name, size, true);
    free(file->data);
    *file = kept;
}

static void bytes_cut(bytes_run *run, size_t number)
{
    const size_t size = run->files.files[number].size;
    const size_t cuts[] = {0, 1, 7, 8, 63, 64, 65, size / 4, size / 2, size - 112, size - 65, size - 64, size - 63,
                           size - 8, size - 7, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (cuts[i] < size)
            bytes_resized(run, number, cuts[i], "cut");
    bytes_resized(run, number, size + 1, "one byte longer");
    bytes_resized(run, number, size + 64, "64 bytes longer");
}

static void bytes_swap(bytes_run *run, size_t a, size_t b)
{
    archive_file *x = &run->files.files[a], *y = &run->files.files[b];
    const archive_file kept_x = *x, kept_y = *y;
    x->data = kept_y.data;
    x->size = kept_y.size;
    y->data = kept_x.data;
    y->size = kept_x.size;
    bytes_judge(run, "swapped", x->name, b, true);
    *x = kept_x;
    *y = kept_y;
}

/* Each file takes the bytes of each other one, its kind's and any. */
static void bytes_files(specimen_kind kind)
{
    bytes_run run;
    bytes_begin(&run, kind);
    for (size_t i = 0; i < run.files.n_files; i++) {
        bytes_cut(&run, i);
        run.files.files[i].removed = true;
        bytes_judge(&run, "removed", run.files.files[i].name, 0, true);
        run.files.files[i].removed = false;
        for (size_t j = 0; j < i; j++)
            bytes_swap(&run, i, j);
    }
    bytes_end(&run, "damaged files");
}

static void test_files(void **state)
{
    (void)state;
    bytes_files(SPECIMEN_NUMBERS);
    bytes_files(SPECIMEN_TEXTS);
    bytes_files(SPECIMEN_INDEXED);
}

/* A manifest of another collection under this one's name and number. */
static void test_foreign_manifest(void **state)
{
    bytes_run run;
    archive other;
    (void)state;
    bytes_begin(&run, SPECIMEN_NUMBERS);
    specimen_make(SPECIMEN_TEXTS, &other);
    const archive_file *theirs = NULL;
    for (size_t i = 0; i < other.n_files; i++)
        theirs = strstr(other.files[i].name, "/m/") != NULL ? &other.files[i] : theirs;
    assert_non_null(theirs);
    for (size_t i = 0; i < run.files.n_files; i++)
        if (strstr(run.files.files[i].name, "/m/") != NULL)
            archive_set(&run.files, run.files.files[i].name, theirs->data, theirs->size);
    bytes_judge(&run, "manifest of another collection", theirs->name, 0, true);
    archive_free(&other);
    bytes_end(&run, "foreign manifests");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flip_numbers),
        cmocka_unit_test(test_flip_texts),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_foreign_manifest),
        cmocka_unit_test(test_flip_indexed),
        cmocka_unit_test(test_flip_coded),
        cmocka_unit_test(test_flip_lists),
        cmocka_unit_test(test_flip_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
