/*
 * fuzz_open.c - libFuzzer target: an archive of a database's files, mounted in memory, opened, asked, checked and
 * written to
 *
 * The input is what archive_pack writes. The mutator starts from collections that it builds itself, changes files by
 * libFuzzer's own mutations or by ones that know the format, and mends the hashes of half of what it makes, so that
 * both the checks of hashes and the code behind them are met. See README.md.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "../support/damage.h"
#include "../support/mend.h"
#include "../support/probe.h"
#include "../support/specimen.h"

#define FUZZ_COLLECTIONS 4u
#define FUZZ_GROWTH 64u /* bytes that one mutation may add to a file */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static archive fuzz_seeds[SPECIMEN_KINDS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (specimen_kind kind = 0; kind < SPECIMEN_KINDS; kind++)
        specimen_make(kind, &fuzz_seeds[kind]);
    return 0;
}

static void fuzz_ask(archive *a, const char *name, bool map)
{
    probe found;
    vss_check_report report = VSS_INIT(vss_check_report);
    const vss_status opened = probe_ask(a, name, map, false, &found);
    const vss_status checked = probe_check(a, name, map, &report, NULL, NULL);
    const vss_status written = probe_write(a, name, map);
    if (opened == VSS_ERR_INTERNAL || checked == VSS_ERR_INTERNAL || written == VSS_ERR_INTERNAL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    archive a;
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    char **names;
    size_t count;
    if (!archive_unpack(data, size, &a))
        return -1;
    archive_storage(&a, true, &storage);
    options.storage = &storage;
    options.mode = VSS_OPEN_READ_ONLY;
    if (vss_db_open("archive", &options, &db, NULL) == VSS_OK) {
        if (vss_db_list(db, &names, &count, NULL) == VSS_OK) {
            for (size_t i = 0; i < count && i < FUZZ_COLLECTIONS; i++)
                fuzz_ask(&a, names[i], (size + i) % 2 == 0);
            vss_names_free(names);
        }
        (void)vss_db_close(db, NULL);
    }
    archive_free(&a);
    return 0;
}

/* One of the built-in collections, the least one where the others don't fit. */
static size_t fuzz_seed(uint8_t *data, size_t max_size, uint64_t *random)
{
    const size_t kind = (size_t)(vssi_random_next(random) % SPECIMEN_KINDS);
    const size_t size = archive_pack(&fuzz_seeds[kind], data, max_size);
    return size != 0 ? size : archive_pack(&fuzz_seeds[SPECIMEN_TINY], data, max_size);
}

/* libFuzzer's own mutation of one file. */
static void fuzz_mutate_file(archive *a, uint64_t *random)
{
    archive_file *file = &a->files[vssi_random_next(random) % a->n_files];
    const size_t size = file->size;
    const size_t most = vssi_random_next(random) % 8 == 0 ? size + FUZZ_GROWTH : size;
    if (most == 0)
        return;
    archive_resize(file, most);
    archive_resize(file, LLVMFuzzerMutate(file->data, size, most));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint64_t random = seed;
    archive a;
    if (!archive_unpack(data, size, &a))
        return fuzz_seed(data, max_size, &random);
    if (a.n_files == 0 || vssi_random_next(&random) % 256 == 0) {
        archive_free(&a);
        return fuzz_seed(data, max_size, &random);
    }
    if (vssi_random_next(&random) % 2 == 0)
        damage_random(&a, &random);
    else
        fuzz_mutate_file(&a, &random);
    if (vssi_random_next(&random) % 2 == 0)
        mend_archive(&a, vssi_random_next(&random) % 2 == 0);
    const size_t packed = archive_pack(&a, data, max_size);
    archive_free(&a);
    return packed != 0 ? packed : size;
}
