/* Stands for Zephyr's <zephyr/kernel.h> on one thread of a hosted system: see ../../README.md. */
#ifndef STAND_IN_KERNEL_H
#define STAND_IN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define __aligned(x) __attribute__((__aligned__(x)))

/* 1 if a configuration symbol is defined as 1, and 0 if it is not defined. */
#define IS_ENABLED(symbol)      STAND_IN_ENABLED_(symbol)
#define STAND_IN_ENABLED_(value) STAND_IN_ENABLED__(STAND_IN_PAIR_##value)
#define STAND_IN_PAIR_1         0,
#define STAND_IN_ENABLED__(pair) STAND_IN_SECOND(pair 1, 0, 0)
#define STAND_IN_SECOND(first, second, ...) (second)

/* A lock that is taken twice, or given back when it is not held, ends the program. */
struct k_spinlock {
	bool is_held;
};

typedef struct {
	struct k_spinlock *of;
} k_spinlock_key_t;

k_spinlock_key_t k_spin_lock(struct k_spinlock *lock);
void k_spin_unlock(struct k_spinlock *lock, k_spinlock_key_t key);

#define printk(...) ((void)printf(__VA_ARGS__))

#include <zephyr/sys/iterable_sections.h>

#endif
