/*
 * fuzz_wal.c - a log of any bytes beside a sound manifest: opened, replayed, read, checked, salvaged, written on
 *
 * Half of the inputs get their hashes, chain, number, base and identity mended, so that what is changed reaches the
 * code behind them; of those, half get sequences without a gap.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "../../lib/format/wal_private.h"
#include "../support/crash_disk.h"
#include "../support/damage.h"
#include "../support/specimen.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

enum { FUZZ_ROWS = 6 };

static archive fuzz_files; /* a collection and a log of its */
static size_t fuzz_log;    /* which file */
static vssi_wal_header fuzz_header;

static void fuzz_need(vss_status status)
{
    if (status != VSS_OK)
        abort();
}

static int fuzz_add(void *arg, const char *name)
{
    void *const *both = arg;
    const vss_storage *storage = both[0];
    archive *to = both[1];
    uint64_t size;
    fuzz_need(storage->size(storage->state, name, &size, NULL));
    uint8_t *bytes = malloc((size_t)size + 1);
    fuzz_need(storage->read(storage->state, name, 0, bytes, (size_t)size, NULL));
    if (strstr(name, "/w/") != NULL)
        fuzz_log = to->n_files;
    (void)archive_set(to, name, bytes, (size_t)size);
    free(bytes);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    crash_disk disk;
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    bool begun;
    (void)argc;
    (void)argv;
    crash_disk_init(&disk);
    crash_disk_storage(&disk, &storage);
    options.storage = &storage;
    fuzz_need(vss_db_open("disk", &options, &db, NULL));
    vss_collection *col = specimen_create(db, "c", specimen_schema(SPECIMEN_NUMBERS));
    for (int64_t batch = 0; batch < 3; batch++)
        specimen_insert(col, batch * FUZZ_ROWS, FUZZ_ROWS);
    void *both[] = {&storage, &fuzz_files};
    fuzz_need(storage.list(storage.state, "", 0, fuzz_add, both, NULL));
    fuzz_need(vssi_wal_open(&storage, "c/", 1, &fuzz_header, &begun, NULL));
    disk.dead = true;
    (void)vss_db_close(db, NULL);
    crash_disk_free(&disk);
    return 0;
}

static void fuzz_open(archive *a, vss_open_mode mode)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db, *saved;
    vss_collection *col;
    uint64_t count;
    archive_storage(a, true, &storage);
    options.storage = &storage;
    options.mode = mode;
    fuzz_need(vss_db_open("archive", &options, &db, NULL));
    const vss_status checked = vss_collection_check(db, "c", NULL, NULL, NULL, NULL, NULL, NULL);
    const vss_status opened = vss_collection_open(db, "c", &col, NULL);
    if (opened == VSS_ERR_INTERNAL || checked == VSS_ERR_INTERNAL || (checked == VSS_OK && opened != VSS_OK))
        abort();
    if (opened == VSS_OK) {
        fuzz_need(vss_collection_count(col, NULL, &count, NULL));
        if (mode != VSS_OPEN_READ_ONLY) {
            (void)vss_collection_delete_where(col, "id >= 0", NULL, NULL);
            specimen_insert(col, 1 << 20, 2);
            fuzz_need(vss_collection_flush(col, NULL));
        }
    }
    fuzz_need(vss_db_open("mem:", NULL, &saved, NULL));
    if (vss_collection_salvage(db, "c", saved, "new", NULL, NULL, NULL, NULL, NULL, NULL) == VSS_OK)
        fuzz_need(vss_collection_check(saved, "new", NULL, NULL, NULL, NULL, NULL, NULL));
    (void)vss_db_close(saved, NULL);
    (void)vss_db_close(db, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    archive a;
    archive_copy(&fuzz_files, &a);
    (void)archive_set(&a, fuzz_files.files[fuzz_log].name, data, size);
    fuzz_open(&a, VSS_OPEN_READ_ONLY);
    fuzz_open(&a, VSS_OPEN_EXISTING);
    archive_free(&a);
    return 0;
}

static void fuzz_mend(uint8_t *data, size_t size, bool sequences)
{
    uint64_t sequence = 0, salt = vssi_load64(data + VSSI_WAL_AT_SALT);
    memcpy(data, VSSI_WAL_MAGIC, VSSI_WAL_MAGIC_SIZE);
    vssi_store64(data + VSSI_WAL_AT_NUMBER, fuzz_header.number);
    vssi_store64(data + VSSI_WAL_AT_BASE, fuzz_header.base);
    vssi_store64(data + VSSI_WAL_AT_IDENTITY, fuzz_header.identity);
    vssi_store64(data + VSSI_WAL_AT_HASH, vssi_hash(data, VSSI_WAL_AT_HASH, 0));
    uint64_t chain = vssi_load64(data + VSSI_WAL_AT_HASH);
    for (size_t at = VSSI_WAL_HEADER; size - at >= VSSI_WAL_FRAME;) {
        uint8_t *head = data + at;
        const uint64_t left = size - at - VSSI_WAL_FRAME, seed = vssi_wal_seed(salt, at);
        if (vssi_load64(head + VSSI_FRAME_AT_SIZE) > left)
            vssi_store64(head + VSSI_FRAME_AT_SIZE, left / VSSI_WAL_FRAME * VSSI_WAL_FRAME);
        const uint64_t padded = vssi_wal_padded(vssi_load64(head + VSSI_FRAME_AT_SIZE));
        if (padded > left)
            return;
        vssi_store32(head, VSSI_WAL_FRAME_MAGIC);
        if (sequences)
            vssi_store64(head + VSSI_FRAME_AT_SEQUENCE, ++sequence);
        vssi_store64(head + VSSI_FRAME_AT_CHAIN, chain);
        vssi_store64(head + VSSI_FRAME_AT_PAYLOAD, vssi_hash(head + VSSI_WAL_FRAME, (size_t)padded, seed));
        chain = vssi_hash(head, VSSI_FRAME_AT_HASH, seed);
        vssi_store64(head + VSSI_FRAME_AT_HASH, chain);
        at += VSSI_WAL_FRAME + (size_t)padded;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    const archive_file *log = &fuzz_files.files[fuzz_log];
    uint64_t random = seed;
    if (size < VSSI_WAL_HEADER && log->size <= max_size) {
        memcpy(data, log->data, log->size);
        size = log->size;
    }
    if (vssi_random_next(&random) % 3 == 0)
        size = LLVMFuzzerMutate(data, size, max_size);
    else if (size > 0)
        damage_bytes(data, size, &random);
    if (size >= VSSI_WAL_HEADER && seed % 2 == 0)
        fuzz_mend(data, size, seed % 4 == 0);
    return size;
}
