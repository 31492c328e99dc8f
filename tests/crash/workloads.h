/*
 * workloads.h - scripted operations that touch every way in which a collection is written
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "crash_run.h"

typedef struct workload {
    const char *name;
    vss_sync_mode sync;
    crash_op ops[24];
} workload;

static const workload workloads[] = {
    {"inserts", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 12}, {OP_INSERT, 12, 1}, {OP_INSERT, 13, 30}, {OP_INSERT, 50, 40},
                                  {0}}},
    {"deletes", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 30}, {OP_DELETE, 3, 5}, {OP_DELETE_WHERE, 10, 9}, {OP_INSERT, 3, 4},
                                  {OP_DELETE, 0, 30}, {OP_INSERT, 0, 9}, {0}}},
    {"upserts", VSS_SYNC_COMMIT, {{OP_UPSERT, 0, 20}, {OP_UPSERT, 10, 20}, {OP_UPSERT, 0, 30}, {OP_DELETE, 5, 5},
                                  {OP_UPSERT, 4, 8}, {0}}},
    {"flushes", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_FLUSH}, {OP_DELETE, 0, 10},
                                  {OP_FLUSH}, {OP_UPSERT, 5, 20}, {OP_FLUSH}, {OP_INSERT, 60, 9}, {0}}},
    {"reopening", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 10}, {OP_REOPEN}, {OP_REOPEN}, {OP_INSERT, 10, 10}, {OP_DELETE, 0, 3}, {OP_REOPEN},
      {OP_UPSERT, 0, 6}, {0}}},
    {"an index", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 40}, {OP_INDEX}, {OP_INSERT, 40, 40}, {OP_INDEX}, {OP_DELETE, 30, 20},
                                   {OP_FLUSH}, {0}}},
    {"compaction", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_COMPACT}, {OP_DELETE, 5, 20}, {OP_UPSERT, 30, 15},
      {OP_COMPACT}, {OP_DELETE, 0, 60}, {OP_COMPACT}, {OP_INSERT, 0, 5}, {OP_COMPACT}, {OP_REOPEN}, {OP_INSERT, 5, 5},
      {0}}},
    {"writes beside flushes", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 30}, {OP_FLUSH, 0, 0, 1}, {OP_DELETE, 5, 10}, {OP_UPSERT, 8, 12}, {OP_FLUSH, 0, 0, 2},
      {OP_UPSERT, 0, 9}, {OP_INSERT, 60, 20}, {OP_FLUSH, 0, 0, 1}, {OP_DELETE_WHERE, 0, 40}, {OP_REOPEN},
      {OP_INSERT, 3, 3}, {0}}},
    {"writes beside compactions", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_FLUSH}, {OP_DELETE, 0, 5}, {OP_COMPACT, 0, 0, 3},
      {OP_DELETE, 3, 10}, {OP_UPSERT, 15, 10}, {OP_INSERT, 60, 10}, {OP_DELETE, 20, 15}, {OP_FLUSH},
      {OP_COMPACT, 0, 0, 2}, {OP_UPSERT, 0, 30}, {OP_DELETE_WHERE, 10, 60}, {OP_FLUSH}, {OP_INDEX, 0, 0, 1},
      {OP_INSERT, 70, 9}, {OP_REOPEN}, {OP_INSERT, 100, 5}, {0}}},
    {"beside flushes, sync off", VSS_SYNC_OFF,
     {{OP_INSERT, 0, 30}, {OP_FLUSH, 0, 0, 2}, {OP_DELETE, 5, 10}, {OP_UPSERT, 8, 12}, {OP_UPSERT, 100, 40},
      {OP_FLUSH, 0, 0, 2}, {OP_UPSERT, 0, 9}, {OP_INSERT, 60, 20}, {OP_INSERT, 120, 9}, {0}}},
    {"nothing but flushes", VSS_SYNC_COMMIT, {{OP_FLUSH}, {OP_DELETE, 0, 5}, {OP_FLUSH}, {OP_INSERT, 1, 1},
                                              {OP_DELETE, 1, 1}, {OP_FLUSH}, {OP_REOPEN}, {0}}},
    {"sync off", VSS_SYNC_OFF, {{OP_INSERT, 0, 20}, {OP_INSERT, 20, 20}, {OP_UPSERT, 10, 20}, {OP_DELETE, 0, 15},
                                {OP_INSERT, 60, 40}, {OP_FLUSH}, {OP_INSERT, 100, 20}, {OP_INSERT, 120, 20}, {0}}},
    {"sync at intervals", VSS_SYNC_INTERVAL, {{OP_INSERT, 0, 20}, {OP_UPSERT, 5, 30}, {OP_INSERT, 40, 30}, {OP_REOPEN},
                                              {OP_DELETE, 10, 20}, {OP_INSERT, 80, 40}, {0}}},
    {"everything", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 40}, {OP_DELETE, 5, 5}, {OP_UPSERT, 30, 20}, {OP_FLUSH},
                                     {OP_DELETE_WHERE, 0, 20}, {OP_UPSERT, 10, 20}, {OP_INDEX}, {OP_INSERT, 60, 20},
                                     {OP_REOPEN}, {OP_DELETE, 60, 10}, {OP_UPSERT, 0, 70}, {0}}},
};

#define WORKLOADS (sizeof workloads / sizeof *workloads)

#endif
