/*
 * damage.c - random changes that know the shape of an object
 */
#include "damage.h"

#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/base/hash.h"
#include "../../lib/format/column_part.h"
#include "../../lib/format/object_private.h"

static uint64_t damage_below(uint64_t *random, uint64_t n)
{
    return n == 0 ? 0 : vssi_random_next(random) % n;
}

/* A number of that many bytes that is likely to hurt, in place of `was`. */
static uint64_t damage_number(uint64_t was, unsigned bytes, size_t file, uint64_t *random)
{
    const uint64_t most = bytes == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * bytes)) - 1;
    const uint64_t edges[] = {0,        1,         most,     most - 1,  most / 2,       most / 2 + 1, was + 1,
                              was - 1,  was * 2,   was / 2,  was + 64,  was - 64,       was ^ 0x80,   file,
                              file + 1, file - 64, ~was,     was << 32, was + file / 2, 4096,
                              most & ~(uint64_t)63};
    const uint64_t kind = damage_below(random, 4);
    if (kind == 0)
        return vssi_random_next(random);
    if (kind == 1)
        return damage_below(random, 256);
    return edges[damage_below(random, sizeof edges / sizeof *edges)];
}

/* Write the lowest bytes of a number, or what fits. */
static void damage_number_at(uint8_t *data, size_t size, size_t at, unsigned bytes, uint64_t *random)
{
    uint64_t value = 0;
    if (size < bytes)
        return;
    if (at > size - bytes)
        at = size - bytes;
    memcpy(&value, data + at, bytes);
    value = damage_number(value, bytes, size, random);
    memcpy(data + at, &value, bytes);
}

static void damage_fill(uint8_t *data, size_t size, uint64_t *random)
{
    const size_t at = damage_below(random, size), n = 1 + damage_below(random, size - at);
    memset(data + at, (int)damage_below(random, 3) * 0x7f + (damage_below(random, 2) != 0), n);
}

static void damage_move(uint8_t *data, size_t size, uint64_t *random)
{
    const size_t n = 1 + damage_below(random, size < 64 ? size : 64);
    memmove(data + damage_below(random, size - n + 1), data + damage_below(random, size - n + 1), n);
}

void damage_bytes(uint8_t *data, size_t size, uint64_t *random)
{
    static const unsigned widths[] = {1, 2, 4, 4, 8, 8};
    if (size == 0)
        return;
    switch (damage_below(random, 6)) {
    case 0:
        data[damage_below(random, size)] ^= (uint8_t)(1u << damage_below(random, 8));
        break;
    case 1:
        damage_fill(data, size, random);
        break;
    case 2:
        damage_move(data, size, random);
        break;
    default: {
        const unsigned bytes = widths[damage_below(random, 6)];
        const size_t at = damage_below(random, size);
        damage_number_at(data, size, damage_below(random, 4) == 0 ? at : at / bytes * bytes, bytes, random);
    }
    }
}

/* The directory of an object: where it begins and how many entries it has; 0 where there is none. */
static size_t damage_directory(const archive_file *file, size_t *n)
{
    *n = 0;
    if (file->size < VSSI_OBJECT_HEADER + VSSI_OBJECT_TRAILER ||
        memcmp(file->data + file->size - VSSI_OBJECT_TRAILER, VSSI_OBJECT_MAGIC, VSSI_OBJECT_MAGIC_SIZE) != 0)
        return 0;
    const uint8_t *trailer = file->data + file->size - VSSI_OBJECT_TRAILER;
    const uint64_t at = vssi_load64(trailer + 40), entries = vssi_load32(trailer + 48);
    if (entries == 0 || entries > VSSI_OBJECT_ENTRIES_MAX || at > file->size ||
        entries * VSSI_OBJECT_ENTRY > file->size - at)
        return 0;
    *n = (size_t)entries;
    return (size_t)at;
}

/* A field of a directory entry, its hash excepted: that is mended anyway. */
static void damage_entry(archive_file *file, size_t directory, size_t n, uint64_t *random)
{
    static const struct {
        unsigned at, bytes;
    } fields[] = {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 8}, {24, 8}, {32, 8}};
    const uint64_t f = damage_below(random, sizeof fields / sizeof *fields);
    damage_number_at(file->data, file->size, directory + damage_below(random, n) * VSSI_OBJECT_ENTRY + fields[f].at,
                     fields[f].bytes, random);
}

/* Size, count and element of one entry changed so that they still fit each other. */
static void damage_entry_whole(archive_file *file, size_t directory, size_t n, uint64_t *random)
{
    uint8_t *entry = file->data + directory + damage_below(random, n) * VSSI_OBJECT_ENTRY;
    const uint64_t element = vssi_load32(entry + 8), size = vssi_load64(entry + 24);
    if (damage_below(random, 2) == 0 && element != 0) {
        const uint64_t count = damage_below(random, size / element + 3);
        vssi_store64(entry + 24, count * element);
        vssi_store64(entry + 32, count);
    } else if (size % 2 == 0) {
        vssi_store32(entry + 8, (uint32_t)size);
        vssi_store64(entry + 32, 1);
    }
}

static void damage_block(archive_file *file, size_t directory, size_t n, uint64_t *random)
{
    const uint8_t *entry = file->data + directory + damage_below(random, n) * VSSI_OBJECT_ENTRY;
    const uint64_t offset = vssi_load64(entry + 16), size = vssi_load64(entry + 24);
    if (offset > file->size || size > file->size - offset)
        return;
    uint8_t *data = file->data + offset;
    if (vssi_load32(entry) == VSSI_BLOCK_COLUMN_INDEX && size >= VSSI_PART_ENTRY && damage_below(random, 2) == 0)
        /* stored, raw, rows, nulls, codec */
        damage_number_at(data, (size_t)size, 16 + 4 * damage_below(random, 5), 4, random);
    else
        damage_bytes(data, (size_t)size, random);
}

static void damage_object(archive_file *file, size_t directory, size_t n, uint64_t *random)
{
    switch (damage_below(random, 12)) {
    case 0:
    case 1:
        damage_entry(file, directory, n, random);
        break;
    case 2:
        damage_entry_whole(file, directory, n, random);
        break;
    case 3:
        damage_number_at(file->data, file->size, file->size - 8 * (1 + damage_below(random, 8)), 8, random);
        break;
    default:
        damage_block(file, directory, n, random);
    }
}

void damage_random(archive *a, uint64_t *random)
{
    size_t n;
    if (a->n_files == 0)
        return;
    archive_file *file = &a->files[damage_below(random, a->n_files)];
    if (strstr(file->name, "/m/") != NULL && damage_below(random, 4) != 0) /* most changes there are refused at once */
        file = &a->files[damage_below(random, a->n_files)];
    if (damage_below(random, 40) == 0) {
        archive_resize(file, damage_below(random, 2 * file->size + 65));
        return;
    }
    const size_t directory = damage_directory(file, &n);
    if (directory != 0)
        damage_object(file, directory, n, random);
    else
        damage_bytes(file->data, file->size, random);
}
