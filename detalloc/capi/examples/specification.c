#include "detalloc.h"

#define MEMORY_SIZE 4096
static uint8_t buffer[MEMORY_SIZE];

int main(void) {
    det_config_t cfg = det_default_config();
    size_t required = det_alloc_size(&cfg);

    det_allocator_t *alloc = det_alloc_init(buffer, required, &cfg);
    if (!alloc) {
        fprintf(stderr, "Initialization failed: %s\n", det_error_string(DET_ERR_INVALID_PARAM));
        return 1;
    }

    int *values = DET_NEW_ARRAY(alloc, int, 128);
    for (int i = 0; i < 128; ++i)
        values[i] = i * 42;

    det_free(alloc, values);

    det_debug_print(alloc);
    det_alloc_destroy(alloc);
}
