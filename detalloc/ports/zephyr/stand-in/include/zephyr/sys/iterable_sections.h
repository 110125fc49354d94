/* Stands for Zephyr's <zephyr/sys/iterable_sections.h>, by a section whose ends the linker names: see ../../../README.md. */
#ifndef STAND_IN_ITERABLE_SECTIONS_H
#define STAND_IN_ITERABLE_SECTIONS_H

/* Without the alignment, compilers leave gaps between larger objects. */
#define STRUCT_SECTION_ITERABLE(type, name)                                                        \
	struct type name __attribute__((__section__(#type "_area"), __used__,                      \
					__aligned__(__alignof__(struct type))))

#define STRUCT_SECTION_FOREACH(type, iterator)                                                     \
	extern struct type __start_##type##_area[], __stop_##type##_area[];                        \
	for (struct type *iterator = __start_##type##_area; iterator < __stop_##type##_area; iterator++)

#endif
