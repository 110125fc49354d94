/* What bad input gets: a defined error and an unchanged heap. Prints the first line that is not so. */
#include "detalloc.h"

#include <string.h>

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("line %d: %s\n", __LINE__, #condition);                 \
            return 1;                                                      \
        }                                                                  \
    } while (0)

static uint8_t buffer[8192];
static uint8_t other_buffer[8192];
static uint8_t never_initialised[512];
static det_allocator_t *hooked;
static int hooks_run;

static void allocating_hook(void *block, size_t size, void *userdata) {
    (void)block;
    (void)size;
    ++*(int *)userdata;
    if (det_alloc(hooked, 16) != NULL || det_last_error(hooked) != DET_ERR_BUSY)
        *(int *)userdata = -1000;
}

static void freeing_hook(void *block, void *userdata) {
    ++*(int *)userdata;
    if (det_free(hooked, block) != DET_ERR_BUSY)
        *(int *)userdata = -1000;
}

int main(void) {
    det_config_t cfg = det_default_config();
    size_t required = det_alloc_size(&cfg);
    size_t shift;
    CHECK(required > 0 && required <= 4096);
    CHECK(det_set_internal_allocator(NULL, NULL) == DET_OK);

    CHECK(det_alloc_size(NULL) == 0 && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_init(NULL, required, &cfg) == NULL && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_init(buffer, required, NULL) == NULL && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_init(buffer, 100, &cfg) == NULL && det_last_error(NULL) == DET_ERR_BUFFER_TOO_SMALL);
    CHECK(det_alloc_init(buffer, 1, &cfg) == NULL && det_last_error(NULL) == DET_ERR_BUFFER_TOO_SMALL);
    CHECK(det_alloc_init(buffer, SIZE_MAX, &cfg) == NULL && det_last_error(NULL) == DET_ERR_INVALID_PARAM);

    det_config_t bad = cfg;
    bad.pool_count = 0;
    CHECK(det_alloc_init(buffer, sizeof buffer, &bad) == NULL && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    bad.pool_count = SIZE_MAX;
    CHECK(det_alloc_init(buffer, sizeof buffer, &bad) == NULL && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    bad = cfg;
    bad.pools[0].block_size = SIZE_MAX;
    CHECK(det_alloc_size(&bad) == 0 && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    bad = cfg;
    bad.pools[1].block_count = SIZE_MAX;
    CHECK(det_alloc_size(&bad) == 0 && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    bad = det_config_for_use_case(99);
    CHECK(bad.pool_count == 0 && det_last_error(NULL) == DET_ERR_INVALID_PARAM);

    /* The short way in refuses the same, and gives a plain allocator. */
    det_pool_config_t pools[] = {{20, 2}, {64, 1}};
    size_t short_required = det_alloc_size_pools(pools, 2);
    CHECK(short_required > 0 && short_required < sizeof buffer);
    CHECK(det_alloc_size_pools(NULL, 2) == 0 && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_size_pools(pools, 0) == 0 && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    CHECK(det_alloc_size_pools(pools, DET_MAX_POOLS + 1) == 0 && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    CHECK(det_alloc_size_pools(pools, SIZE_MAX) == 0 && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    CHECK(det_alloc_init_pools(NULL, short_required, pools, 2) == NULL && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_init_pools(buffer, short_required, NULL, 2) == NULL && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_alloc_init_pools(buffer, 100, pools, 2) == NULL && det_last_error(NULL) == DET_ERR_BUFFER_TOO_SMALL);
    CHECK(det_alloc_init_pools(buffer, SIZE_MAX, pools, 2) == NULL && det_last_error(NULL) == DET_ERR_INVALID_PARAM);
    det_pool_config_t bad_pools[][2] = {{{0, 1}, {64, 1}}, {{64, 1}, {50, 1}}, {{64, 1}, {SIZE_MAX, 1}}, {{64, 1}, {80, 0}}};
    for (shift = 0; shift < 4; ++shift) {
        det_allocator_t *none = det_alloc_init_pools(buffer, sizeof buffer, bad_pools[shift], 2);
        CHECK(none == NULL && det_last_error(NULL) == DET_ERR_INVALID_CONFIG);
    }
    for (shift = 0; shift < 65; ++shift) {
        det_allocator_t *plain = det_alloc_init_pools(buffer + shift, short_required, pools, 2);
        CHECK(plain != NULL && det_validate(plain));
        void *blocks[] = {det_alloc(plain, 20), det_alloc(plain, 20), det_alloc(plain, 20)};
        CHECK(det_alloc_usable_size(plain, blocks[0]) == 32 && det_alloc_usable_size(plain, blocks[2]) == 64);
        CHECK(det_alloc(plain, 20) == NULL && det_last_error(plain) == DET_ERR_OUT_OF_MEMORY);
        CHECK(det_free(plain, blocks[1]) == DET_OK && det_free(plain, blocks[1]) == DET_ERR_DOUBLE_FREE);
        det_pool_stats_t of_pool;
        CHECK(det_get_pool_stats(plain, 0, &of_pool) == DET_OK && of_pool.used == 1 && of_pool.peak == 2);
        /* Nothing is checked at its end. */
        CHECK(det_alloc_destroy(plain) == DET_OK && det_alloc_destroy(plain) == DET_ERR_NOT_INITIALIZED);
    }

    size_t sizes[] = {64, 128, 256, 1024};
    CHECK(det_suggest_config(sizes, 4, &bad) == DET_OK && bad.pool_count == 4);
    CHECK(det_suggest_config(sizes, 0, &bad) == DET_ERR_INVALID_PARAM && bad.pool_count == 4);
    CHECK(det_suggest_config(sizes, SIZE_MAX, &bad) == DET_ERR_INVALID_PARAM);
    CHECK(det_suggest_config(NULL, 4, &bad) == DET_ERR_NULL);

    det_allocator_t *fake = (det_allocator_t *)(void *)never_initialised;
    CHECK(det_alloc(fake, 16) == NULL && det_last_error(NULL) == DET_ERR_NOT_INITIALIZED);
    CHECK(det_alloc(NULL, 16) == NULL && det_last_error(NULL) == DET_ERR_NULL);
    CHECK(det_free(NULL, buffer) == DET_ERR_NULL && det_free(fake, buffer) == DET_ERR_NOT_INITIALIZED);
    CHECK(det_alloc_destroy(NULL) == DET_ERR_NULL && det_alloc_destroy(fake) == DET_ERR_NOT_INITIALIZED);
    CHECK(!det_validate(NULL) && !det_validate(fake));
    CHECK(det_get_stats(NULL, NULL) == DET_ERR_NULL && det_debug_print(NULL) == DET_ERR_NULL);

    /* The buffer may begin anywhere. */
    for (shift = 0; shift < 65; ++shift) {
        det_allocator_t *alloc = det_alloc_init(buffer + shift, required, &cfg);
        CHECK(alloc != NULL && det_validate(alloc));
        uint8_t *block = (uint8_t *)det_alloc(alloc, 100);
        CHECK(block != NULL && (uintptr_t)block % 16 == 0);
        CHECK(det_alloc_usable_size(alloc, block) == 112 && det_alloc_usable_size(alloc, block + 1) == 0);
        det_stats_t before, after;
        CHECK(det_get_stats(alloc, &before) == DET_OK);
        CHECK(det_free(alloc, block + 1) == DET_ERR_INTERIOR_POINTER);
        CHECK(det_free(alloc, block + 16) == DET_ERR_INTERIOR_POINTER);
        CHECK(det_free(alloc, &cfg) == DET_ERR_FOREIGN_POINTER);
        CHECK(det_free(alloc, (void *)(uintptr_t)1) == DET_ERR_FOREIGN_POINTER);
        CHECK(det_remote_free(alloc, block + 1) == DET_ERR_INTERIOR_POINTER);
        CHECK(det_get_stats(alloc, &after) == DET_OK && after.free_count == before.free_count);
        CHECK(memcmp(before.pool_stats, after.pool_stats, sizeof before.pool_stats) == 0);
        CHECK(det_free(alloc, block) == DET_OK && det_free(alloc, block) == DET_ERR_DOUBLE_FREE);
        CHECK(det_last_error(alloc) == DET_ERR_DOUBLE_FREE);
        CHECK(det_remote_free(alloc, block) == DET_ERR_DOUBLE_FREE);
        CHECK(det_realloc(alloc, block, 10) == NULL && det_last_error(alloc) == DET_ERR_DOUBLE_FREE);
        CHECK(det_free(alloc, NULL) == DET_OK);
        CHECK(det_validate(alloc) && det_alloc_destroy(alloc) == DET_OK);
        CHECK(det_alloc(alloc, 16) == NULL && det_last_error(NULL) == DET_ERR_NOT_INITIALIZED);
        CHECK(det_alloc_destroy(alloc) == DET_ERR_NOT_INITIALIZED);
    }

    det_allocator_t *alloc = det_alloc_init(buffer + 3, required, &cfg);
    det_allocator_t *other = det_alloc_init(other_buffer, required, &cfg);
    CHECK(alloc != NULL && other != NULL);
    CHECK(det_set_internal_allocator(NULL, NULL) == DET_ERR_BUSY);
    void *theirs = det_alloc(other, 16);
    CHECK(det_free(alloc, theirs) == DET_ERR_FOREIGN_POINTER && det_free(other, theirs) == DET_OK);
    CHECK(DET_NEW_ARRAY(alloc, int, SIZE_MAX / 2) == NULL && det_last_error(alloc) == DET_ERR_OVERFLOW);
    CHECK(det_calloc(alloc, SIZE_MAX, 16) == NULL && det_last_error(alloc) == DET_ERR_OVERFLOW);
    CHECK(det_alloc(alloc, SIZE_MAX) == NULL && det_last_error(alloc) == DET_ERR_UNSUPPORTED_SIZE);
    CHECK(det_alloc(alloc, 513) == NULL && det_last_error(alloc) == DET_ERR_UNSUPPORTED_SIZE);
    CHECK(det_alloc_aligned(alloc, 8, 3) == NULL && det_last_error(alloc) == DET_ERR_INVALID_PARAM);
    CHECK(det_alloc_aligned(alloc, 8, 0) == NULL && det_alloc_aligned(alloc, 8, 8192) == NULL);
    uint8_t *aligned = (uint8_t *)det_alloc_aligned(alloc, 8, 64);
    CHECK(aligned != NULL && (uintptr_t)aligned % 64 == 0 && det_free(alloc, aligned) == DET_OK);

    uint8_t *large = (uint8_t *)det_calloc(alloc, 512, 1);
    CHECK(large != NULL && large[0] == 0 && large[511] == 0);
    CHECK(det_alloc(alloc, 512) == NULL && det_last_error(alloc) == DET_ERR_OUT_OF_MEMORY);
    CHECK(det_realloc(alloc, large, 100) == large && det_realloc(alloc, large, 513) == NULL);
    CHECK(det_remote_free(alloc, large) == DET_OK && det_remote_free(alloc, large) == DET_ERR_DOUBLE_FREE);
    CHECK(det_adopt_remote_frees(alloc, 8) == 1);
    uint8_t *grown = (uint8_t *)det_realloc(alloc, NULL, 16);
    grown[15] = 42;
    grown = (uint8_t *)det_realloc(alloc, grown, 300);
    CHECK(grown != NULL && grown[15] == 42 && det_realloc(alloc, grown, 0) == NULL);
    int *value = DET_NEW(alloc, int);
    CHECK(value != NULL);
    DET_FREE(alloc, value);
    CHECK(value == NULL);
    det_prefetch(alloc, 256);
    det_prefetch(alloc, SIZE_MAX);

    det_stats_t stats;
    CHECK(det_get_stats(alloc, &stats) == DET_OK && stats.version == DET_STATS_VERSION);
    CHECK(stats.struct_size == sizeof stats && stats.used_memory == 0 && stats.pool_count == 10);
    CHECK(stats.alloc_count > 0 && stats.pool_stats[9].block_size == 512 && stats.pool_stats[9].peak == 1);
    CHECK(det_get_stats(alloc, NULL) == DET_ERR_NULL);
    det_pool_stats_t pool_stats;
    CHECK(det_get_pool_stats(alloc, 9, &pool_stats) == DET_OK);
    CHECK(memcmp(&pool_stats, &stats.pool_stats[9], sizeof pool_stats) == 0);
    CHECK(det_get_pool_stats(alloc, 10, &pool_stats) == DET_ERR_INVALID_PARAM);
    CHECK(det_get_pool_stats(alloc, 0, NULL) == DET_ERR_NULL && det_get_pool_stats(NULL, 0, &pool_stats) == DET_ERR_NULL);

    hooked = alloc;
    det_set_alloc_hook(allocating_hook, &hooks_run);
    det_set_free_hook(freeing_hook, &hooks_run);
    void *heard = det_alloc(alloc, 16);
    CHECK(heard != NULL && hooks_run == 1 && det_free(alloc, heard) == DET_OK && hooks_run == 2);
    det_set_alloc_hook(NULL, NULL);
    det_set_free_hook(NULL, NULL);

    CHECK(det_alloc(alloc, 32) != NULL && det_alloc_destroy(alloc) == DET_ERR_STILL_LIVE);

    /* Overwritten metadata. */
    size_t byte;
    for (byte = sizeof(void *); byte < 512; ++byte)
        other_buffer[256 + byte] ^= 0x5A;
    CHECK(!det_validate(other) && det_last_error(other) == DET_ERR_CORRUPTED);
    CHECK(det_alloc_destroy(other) == DET_ERR_CORRUPTED);

    /* Any thread may use this one. */
    cfg.thread_safe = true;
    required = det_alloc_size(&cfg);
    CHECK(required <= sizeof buffer);
    alloc = det_alloc_init(buffer + 5, required, &cfg);
    CHECK(alloc != NULL);
    void *shared = det_alloc(alloc, 33);
    CHECK(shared != NULL && det_free(alloc, (char *)shared + 1) == DET_ERR_INTERIOR_POINTER);
    CHECK(det_remote_free(alloc, shared) == DET_OK && det_free(alloc, shared) == DET_ERR_DOUBLE_FREE);
    CHECK(det_validate(alloc) && det_alloc_destroy(alloc) == DET_OK);

    det_arena_t *arena = det_arena_init(buffer + 1, 1024);
    CHECK(arena != NULL && det_arena_init(NULL, 5) == NULL && det_arena_init(buffer, 1) == NULL);
    float *samples = (float *)det_arena_alloc(arena, 64 * sizeof(float), 64);
    CHECK(samples != NULL && (uintptr_t)samples % 64 == 0 && det_arena_used(arena) >= 256);
    CHECK(det_arena_alloc(arena, 4096, 1) == NULL && det_last_error(NULL) == DET_ERR_FULL);
    CHECK(det_arena_alloc(arena, 4, 3) == NULL && det_last_error(NULL) == DET_ERR_INVALID_PARAM);
    CHECK(det_arena_reset(arena) == DET_OK && det_arena_used(arena) == 0 && det_arena_peak(arena) >= 256);
    CHECK(det_free((det_allocator_t *)(void *)arena, samples) == DET_ERR_NOT_INITIALIZED);
    CHECK(det_arena_destroy(arena) == DET_OK && det_arena_reset(arena) == DET_ERR_NOT_INITIALIZED);

    size_t ring_bytes = det_ring_size(8, 64), length = 0;
    CHECK(ring_bytes > 0 && ring_bytes <= sizeof buffer && det_ring_size(SIZE_MAX, 2) == 0);
    det_ring_t *ring = det_ring_init(buffer + 7, ring_bytes);
    CHECK(ring != NULL && det_ring_read(ring, &length) == NULL);
    CHECK(det_ring_commit(ring, 1) == DET_ERR_INVALID_PARAM && det_ring_release(ring) == DET_ERR_INVALID_PARAM);
    uint8_t *message = (uint8_t *)det_ring_grant(ring, 64);
    CHECK(message != NULL && (uintptr_t)message % 16 == 0);
    message[0] = 7;
    CHECK(det_ring_commit(ring, 5) == DET_OK);
    const uint8_t *received = (const uint8_t *)det_ring_read(ring, &length);
    CHECK(received != NULL && length == 5 && received[0] == 7 && det_ring_read(ring, NULL) == received);
    CHECK(det_ring_release(ring) == DET_OK && det_ring_read(ring, &length) == NULL);
    CHECK(det_ring_grant(ring, SIZE_MAX) == NULL && det_last_error(NULL) == DET_ERR_UNSUPPORTED_SIZE);
    CHECK(det_ring_destroy(ring) == DET_OK && det_ring_grant(ring, 1) == NULL);

    CHECK(det_get_cycles() <= det_get_cycles());
    CHECK(det_error_string(-1) != NULL && det_error_string(9999) != NULL && det_version_string()[0] != 0);
    puts("all refused");
    return 0;
}
