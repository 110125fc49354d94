/* Stands for Zephyr's <zephyr/init.h>: what is to run first does so before main(). See ../../README.md. */
#ifndef STAND_IN_INIT_H
#define STAND_IN_INIT_H

#define SYS_INIT(function, level, priority)                                                        \
	__attribute__((__constructor__)) static void stand_in_##function(void)                     \
	{                                                                                          \
		(void)function();                                                                  \
	}                                                                                          \
	_Static_assert((priority) >= 0 && (priority) < 100, "a priority of " #level)

#endif
