/* Stands for Zephyr's <zephyr/sys/mem_stats.h>: see ../../../README.md. */
#ifndef STAND_IN_MEM_STATS_H
#define STAND_IN_MEM_STATS_H

#include <stddef.h>

struct sys_memory_stats {
	size_t free_bytes;
	size_t allocated_bytes;
	size_t max_allocated_bytes;
};

#endif
