/*
 * test_pick.c - rows picked here and there of a mapped file bring in their own pages and no others
 *
 * Which pages of a mapping the process holds is read from /proc/self/pagemap.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, pread */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format_fixture.h"

enum { CHUNKS = 8, CHUNK_PAGES = VSSI_CHUNK_SIZE / VSSI_PAGE, WINDOW = 16, KIND = 300 };

typedef struct fixture {
    vssi_heap heap;
    fixture_memory memory;
    vss_storage storage;
    char folder[64];
    vssi_object_ref ref;
    vssi_object *object;
    size_t entry;
    int pagemap;
} fixture;

static void pick_write(fixture *f)
{
    vss_error err;
    vssi_object_writer *w;
    const size_t size = (size_t)CHUNKS * VSSI_CHUNK_SIZE;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + i / 256);
    const vss_span part = {data, size};
    assert_int_equal(vssi_object_writer_create(&f->heap, VSSI_OBJECT_INDEX, &w, &err), VSS_OK);
    assert_int_equal(vssi_object_add_chunked(w, KIND, 7, 1, size, &part, 1, NULL, &err), VSS_OK);
    assert_int_equal(vssi_object_put(w, &f->storage, "c/", "i/one", &f->ref, &err), VSS_OK);
    vssi_object_writer_free(w);
    free(data);
}

/* The file leaves the system's cache first, where it may lie in pieces that are mapped whole. */
static void pick_open(fixture *f)
{
    vss_error err;
    char path[128];
    snprintf(path, sizeof path, "%s/c/i/one", f->folder);
    int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(file);
    assert_int_equal(vssi_object_open(&f->heap, &f->storage, "c/", &f->ref, &f->object, &err), VSS_OK);
    f->entry = vssi_object_find(f->object, KIND, 7);
}

static int setup(void **state)
{
    vss_error err;
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_heap(&f->heap, &f->memory);
    snprintf(f->folder, sizeof f->folder, "/tmp/vss-pick-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(vssi_storage_posix(&f->heap, f->folder, true, false, &f->storage, &err), VSS_OK);
    f->pagemap = open("/proc/self/pagemap", O_RDONLY);
    pick_write(f);
    pick_open(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    vss_error err;
    fixture *f = *state;
    if (f->pagemap >= 0)
        close(f->pagemap);
    vssi_object_close(f->object);
    vssi_free(&f->heap, f->ref.name);
    assert_int_equal(f->storage.remove(f->storage.state, "c/i/one", &err), VSS_OK);
    f->storage.close(f->storage.state);
    assert_int_equal(f->memory.held, 0);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

/* Is a page of the object's view held by the process. */
static bool pick_held(const fixture *f, uint64_t page)
{
    uint64_t word, at = (uintptr_t)f->object->view.data / VSSI_PAGE + page;
    assert_int_equal(pread(f->pagemap, &word, sizeof word, (off_t)(at * sizeof word)), sizeof word);
    return word >> 63 != 0;
}

/* Pages held of those that the block lies in, the first and the last left aside: they hold more than the block. */
static size_t pick_count(const fixture *f)
{
    const vssi_object_entry *e = &f->object->entries[f->entry];
    size_t n = 0;
    for (uint64_t page = e->offset / VSSI_PAGE + 1; page < (e->offset + e->size) / VSSI_PAGE; page++)
        n += pick_held(f, page);
    return n;
}

static uint64_t pick_page_of(const fixture *f, uint64_t offset)
{
    return (f->object->entries[f->entry].offset + offset) / VSSI_PAGE;
}

static void pick_skip(const fixture *f)
{
    if (f->pagemap < 0 || sysconf(_SC_PAGESIZE) != VSSI_PAGE)
        skip();
}

/* Rows far apart: their pages, and not the windows of 16 and chunks of 64 that the system and hashing bring in. */
static void test_alone(void **state)
{
    fixture *f = *state;
    pick_skip(f);
    for (uint64_t c = 0; c < CHUNKS; c++) {
        uint64_t offset = c * VSSI_CHUNK_SIZE + 100 * 1024;
        vssi_object_pick(f->object, f->entry, offset, 512);
        assert_true(vssi_object_chunk_known(f->object, f->entry, c));
        assert_true(pick_held(f, pick_page_of(f, offset)));
    }
    assert_in_range(pick_count(f), CHUNKS, 2 * CHUNKS);
    size_t before = pick_count(f);
    vssi_object_pick(f->object, f->entry, 100 * 1024, 512);
    assert_int_equal(pick_count(f), before);
}

/* A row over a page's end brings in both; over a chunk's end it has both verified. */
static void test_across(void **state)
{
    fixture *f = *state;
    pick_skip(f);
    uint64_t offset = VSSI_PAGE - f->object->entries[f->entry].offset % VSSI_PAGE - 256;
    vssi_object_pick(f->object, f->entry, offset, 512);
    assert_true(pick_held(f, pick_page_of(f, offset)) && pick_held(f, pick_page_of(f, offset) + 1));
    assert_false(vssi_object_chunk_known(f->object, f->entry, 1));
    vssi_object_pick(f->object, f->entry, 3 * VSSI_CHUNK_SIZE - 256, 512);
    assert_true(vssi_object_chunk_known(f->object, f->entry, 2) && vssi_object_chunk_known(f->object, f->entry, 3));
    vssi_object_pick(f->object, f->entry, 0, 0);
    vssi_object_pick(f->object, f->entry, (uint64_t)CHUNKS * VSSI_CHUNK_SIZE - 1, 1);
    assert_true(vssi_object_chunk_known(f->object, f->entry, CHUNKS - 1));
}

/* Where chunks begin and end within windows, nothing of their neighbours stays; and a chunk of which a row in its first
 * page was picked is no chunk that was scanned: what is picked inside it later comes alone too. */
static void test_beginnings(void **state)
{
    fixture *f = *state;
    pick_skip(f);
    for (uint64_t c = CHUNKS; c-- > 0;)
        vssi_object_pick(f->object, f->entry, c * VSSI_CHUNK_SIZE, 64);
    assert_in_range(pick_count(f), CHUNKS - 1, 2 * CHUNKS);
    for (uint64_t c = 0; c < CHUNKS; c++) {
        uint64_t offset = c * VSSI_CHUNK_SIZE + 100 * 1024;
        vssi_object_pick(f->object, f->entry, offset, 512);
        (void)*(const volatile uint8_t *)(f->object->view.data + f->object->entries[f->entry].offset + offset);
    }
    assert_in_range(pick_count(f), 2 * (CHUNKS - 1), 4 * CHUNKS);
}

/* Of a window of which most was picked, nothing leaves any more. */
static void test_window_stays(void **state)
{
    fixture *f = *state;
    pick_skip(f);
    uint64_t first = pick_page_of(f, 0) + 1, address = (uintptr_t)f->object->view.data / VSSI_PAGE;
    while ((address + first) % WINDOW != 0)
        first++;
    const uint64_t skip = f->object->entries[f->entry].offset;
    for (uint64_t i = 0; i < WINDOW / 2 + 1; i++)
        vssi_object_pick(f->object, f->entry, (first + i) * VSSI_PAGE - skip, 64);
    for (uint64_t i = 0; i < WINDOW; i++)
        assert_true(pick_held(f, first + i));
    assert_false(pick_held(f, first + 2 * WINDOW));
}

/* A chunk that a scan has verified keeps what the process holds of it. */
static void test_after_scan(void **state)
{
    fixture *f = *state;
    vss_error err;
    pick_skip(f);
    assert_int_equal(vssi_object_verify(f->object, f->entry, 0, (uint64_t)CHUNKS * VSSI_CHUNK_SIZE, &err), VSS_OK);
    size_t before = pick_count(f);
    assert_true(before >= (CHUNKS - 1) * CHUNK_PAGES);
    for (uint64_t c = 0; c < CHUNKS; c++)
        vssi_object_pick(f->object, f->entry, c * VSSI_CHUNK_SIZE + 5000, 512);
    assert_int_equal(pick_count(f), before);
}

/* What is damaged is not taken for good; the verification that follows tells. */
static void test_damaged(void **state)
{
    fixture *f = *state;
    vss_error err;
    char path[128];
    const off_t at = (off_t)(f->object->entries[f->entry].offset + VSSI_CHUNK_SIZE + 77);
    uint8_t byte;
    snprintf(path, sizeof path, "%s/c/i/one", f->folder);
    assert_int_equal(chmod(path, 0600), 0);
    int file = open(path, O_RDWR);
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    close(file);
    vssi_object_pick(f->object, f->entry, VSSI_CHUNK_SIZE - 100, 200);
    assert_true(vssi_object_chunk_known(f->object, f->entry, 0));
    assert_false(vssi_object_chunk_known(f->object, f->entry, 1));
    assert_int_equal(vssi_object_verify(f->object, f->entry, VSSI_CHUNK_SIZE, 1, &err), VSS_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_across, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beginnings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_scan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
