/* Stands for Zephyr's <zephyr/ztest.h>: tests that register themselves, and assertions that end the test. See ../../README.md. */
#ifndef STAND_IN_ZTEST_H
#define STAND_IN_ZTEST_H

#include <zephyr/kernel.h>

struct stand_in_test {
	const char *name;
	void (*run)(void);
};

/* Says where an assertion does not hold, and ends the program. */
void stand_in_failed(const char *file, int line, const char *condition);
/* Runs all tests of the program. */
int stand_in_run_all(void);

#define ZTEST(suite, test)                                                                         \
	static void test(void);                                                                    \
	STRUCT_SECTION_ITERABLE(stand_in_test, stand_in_##test) = {#suite "." #test, test};        \
	static void test(void)

#define ZTEST_SUITE(suite, predicate, setup, before, after, teardown)                              \
	int main(void)                                                                             \
	{                                                                                          \
		return stand_in_run_all();                                                         \
	}                                                                                          \
	_Static_assert(sizeof(#suite) > 1, "a suite has a name")

#define zassert_true(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			stand_in_failed(__FILE__, __LINE__, #condition);                           \
		}                                                                                  \
	} while (0)
#define zassert_false(condition)  zassert_true(!(condition))
#define zassert_equal(a, b)       zassert_true((a) == (b))
#define zassert_is_null(pointer)  zassert_true((pointer) == NULL)
#define zassert_not_null(pointer) zassert_true((pointer) != NULL)

#endif
