/* The functions of the stand-in headers. See README.md. */
#include <zephyr/kernel.h>

#include <stdlib.h>

k_spinlock_key_t k_spin_lock(struct k_spinlock *lock)
{
	if (lock->is_held) {
		abort();
	}

	lock->is_held = true;
	return (k_spinlock_key_t){lock};
}

void k_spin_unlock(struct k_spinlock *lock, k_spinlock_key_t key)
{
	if (!lock->is_held || key.of != lock) {
		abort();
	}

	lock->is_held = false;
}
