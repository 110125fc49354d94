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
static det_stats_t before, after;

/* What a refused call leaves as it was: all counts but those of refusals and cycles. Without a version if the metadata is not
 * intact. */
static void keep(det_allocator_t *alloc, det_stats_t *kept) {
    size_t pool;
    if (det_get_stats(alloc, kept) != DET_OK || !det_validate(alloc))
        memset(kept, 0, sizeof *kept);
    kept->refused = kept->total_cycles_alloc = kept->total_cycles_free = kept->wcet_alloc = kept->wcet_free = 0;
    for (pool = 0; pool < DET_MAX_POOLS; ++pool)
        kept->pool_stats[pool].refused = 0;
}

/* A call that is refused by this error, as its condition says, and leaves the heap as it was. */
#define REFUSED(alloc, expected, condition)                                \
    do {                                                                   \
        keep(alloc, &before);                                              \
        CHECK(condition);                                                  \
        CHECK(det_last_error(alloc) == (expected));                        \
        keep(alloc, &after);                                               \
        CHECK(before.version == DET_STATS_VERSION);                        \
        CHECK(memcmp(&before, &after, sizeof before) == 0);                \
    } while (0)

/* The same for what has no allocator to keep its error. */
#define REFUSED_WITHOUT(expected, condition) CHECK((condition) && det_last_error(NULL) == (expected))
/* A type that wants more than a block has by itself: 80 bytes have one that is aligned to 16. C99 has no word for it. */
#if defined(__GNUC__)
struct over_aligned {
    uint8_t bytes[64];
} __attribute__((aligned(64)));
#else
struct over_aligned {
    _Alignas(64) uint8_t bytes[64];
};
#endif

static void *never_called(size_t size) {
    (void)size;
    return NULL;
}

static void never_called_either(void *block) { (void)block; }

static size_t kept_refusals(det_allocator_t *alloc) {
    det_get_stats(alloc, &after);
    return after.refused;
}

/* What is no allocator, arena or ring: NULL, or what a handle could be taken for. Every function refuses it, and nothing is
 * written to it. */
static int is_no_handle(void *handle, det_error_t expected) {
    det_allocator_t *alloc = (det_allocator_t *)handle;
    det_arena_t *arena = (det_arena_t *)handle;
    det_ring_t *ring = (det_ring_t *)handle;
    det_stats_t stats;
    det_pool_stats_t pool_stats;
    size_t length = 42;
    REFUSED_WITHOUT(expected, det_alloc(alloc, 16) == NULL);
    REFUSED_WITHOUT(expected, det_alloc_aligned(alloc, 16, 16) == NULL);
    REFUSED_WITHOUT(expected, det_alloc_array(alloc, 2, 16) == NULL);
    REFUSED_WITHOUT(expected, det_alloc_array_aligned(alloc, 2, 16, 16) == NULL);
    REFUSED_WITHOUT(expected, det_calloc(alloc, 2, 16) == NULL);
    REFUSED_WITHOUT(expected, det_realloc(alloc, NULL, 16) == NULL);
    REFUSED_WITHOUT(expected, det_realloc(alloc, buffer, 16) == NULL);
    REFUSED_WITHOUT(expected, det_free(alloc, buffer) == expected);
    REFUSED_WITHOUT(expected, det_free(alloc, NULL) == expected);
    REFUSED_WITHOUT(expected, det_remote_free(alloc, buffer) == expected);
    REFUSED_WITHOUT(expected, det_alloc_usable_size(alloc, buffer) == 0);
    REFUSED_WITHOUT(expected, det_adopt_remote_frees(alloc, 8) == 0);
    REFUSED_WITHOUT(expected, !det_validate(alloc));
    REFUSED_WITHOUT(expected, det_get_stats(alloc, &stats) == expected && det_get_stats(alloc, NULL) == expected);
    REFUSED_WITHOUT(expected, det_get_pool_stats(alloc, 0, &pool_stats) == expected);
    REFUSED_WITHOUT(expected, det_debug_print(alloc) == expected);
    REFUSED_WITHOUT(expected, det_alloc_destroy(alloc) == expected);
    det_prefetch(alloc, 16);
    CHECK(handle == NULL || det_last_error(alloc) == DET_ERR_NOT_INITIALIZED);

    REFUSED_WITHOUT(expected, det_arena_alloc(arena, 4, 4) == NULL);
    REFUSED_WITHOUT(expected, det_arena_reset(arena) == expected && det_arena_destroy(arena) == expected);
    REFUSED_WITHOUT(expected, det_arena_used(arena) == 0 && det_arena_peak(arena) == 0);

    REFUSED_WITHOUT(expected, det_ring_grant(ring, 1) == NULL && det_ring_commit(ring, 1) == expected);
    REFUSED_WITHOUT(expected, det_ring_read(ring, &length) == NULL && length == 42);
    REFUSED_WITHOUT(expected, det_ring_read(ring, NULL) == NULL && det_ring_release(ring) == expected);
    REFUSED_WITHOUT(expected, det_ring_destroy(ring) == expected);
    return 0;
}

/* A configuration that lies in the buffer that it is for: what it says holds all the same. */
static int is_read_before_it_is_overwritten(det_config_t cfg) {
    size_t required = det_alloc_size(&cfg), offset;
    CHECK(required > 0 && required <= sizeof buffer);
    for (offset = 0; offset + sizeof cfg <= required; offset += 64) {
        det_allocator_t *alloc;
        /* Where a configuration may lie: at a multiple of the alignment that it has. */
        uint8_t *place = buffer + (16 - (uintptr_t)buffer % 16) % 16 + offset;
        memcpy(place, &cfg, sizeof cfg);
        alloc = det_alloc_init(buffer, required, (const det_config_t *)(const void *)place);
        CHECK(alloc != NULL && det_alloc(alloc, 16) != NULL);
        CHECK(det_get_stats(alloc, &after) == DET_OK && after.alloc_count == 1);
        CHECK(det_alloc_destroy(alloc) == DET_ERR_STILL_LIVE);
    }
    return 0;
}

/* Whether a size is one that an object can have, also where the configuration only just fits the address space. */
static int fits_or_is_refused(det_config_t cfg) {
    /* Of little alignment, so that little is kept back for it: on 32 bits, these fill all memory. */
    static const size_t sizes[] = {16, 272, 304, 336, 368, 400, 432};
    size_t pool, blocks = 0, refused = 0;
    cfg.pool_count = sizeof sizes / sizeof sizes[0];
    for (pool = 0; pool < cfg.pool_count; ++pool) {
        cfg.pools[pool].block_size = sizes[pool];
        cfg.pools[pool].block_count = 1;
    }
    /* As many of the largest as there can be, and so on. */
    while (pool-- > 0) {
        size_t high = SIZE_MAX;
        blocks = 1;
        while (high - blocks > 1) {
            size_t tried = cfg.pools[pool].block_count = blocks + (high - blocks) / 2;
            *(det_alloc_size(&cfg) > 0 ? &blocks : &high) = tried;
        }
        cfg.pools[pool].block_count = blocks;
    }
    /* Around the last that fits. */
    for (blocks = blocks > 100 ? blocks - 100 : 1; refused < 100; ++blocks) {
        size_t needed;
        cfg.pools[0].block_count = blocks;
        needed = det_alloc_size(&cfg);
        CHECK(needed <= PTRDIFF_MAX && (needed > 0 || det_last_error(NULL) == DET_ERR_INVALID_CONFIG));
        refused += needed == 0;
        cfg.thread_safe = !cfg.thread_safe;
        CHECK(det_alloc_size(&cfg) <= PTRDIFF_MAX);
        cfg.thread_safe = !cfg.thread_safe;
    }
    return 0;
}

/* What a block is aligned to follows from its type, where the first pool that is large enough is not aligned enough. */
static int is_aligned_for_its_type(void) {
    det_config_t cfg = det_default_config();
    det_allocator_t *alloc;
    struct over_aligned *objects[3];
    size_t number;
    cfg.pool_count = 2;
    cfg.pools[0].block_size = 80;
    cfg.pools[1].block_size = 128;
    cfg.pools[0].block_count = cfg.pools[1].block_count = 3;
    alloc = det_alloc_init(buffer, sizeof buffer, &cfg);
    CHECK(alloc != NULL);
    for (number = 0; number < 3; ++number) {
        objects[number] = number == 0 ? DET_NEW(alloc, struct over_aligned) : DET_NEW_ARRAY(alloc, struct over_aligned, number);
        CHECK(objects[number] != NULL && (uintptr_t)objects[number] % 64 == 0);
    }
    REFUSED(alloc, DET_ERR_OUT_OF_MEMORY, DET_NEW(alloc, struct over_aligned) == NULL);
    CHECK(det_free(alloc, objects[0]) == DET_OK && det_free(alloc, objects[1]) == DET_OK);
    CHECK(det_free(alloc, objects[2]) == DET_OK && det_alloc_destroy(alloc) == DET_OK);
    return 0;
}

static int is_at_most(det_use_case_t use_case, size_t bytes) {
    det_config_t cfg = det_config_for_use_case(use_case);
    size_t needed = det_alloc_size(&cfg);
    CHECK(needed > bytes / 2 && needed <= bytes);
    return 0;
}

/* A counter that runs goes on, and what it measures is seen; one that does not stands at 0. */
static int counts_if_it_says_so(void) {
    det_config_t cfg = det_default_config();
    det_error_t started = det_start_cycles();
    det_allocator_t *alloc = det_alloc_init(buffer, sizeof buffer, &cfg);
    uint64_t start = det_get_cycles(), end = start;
    size_t round;
    CHECK(alloc != NULL);
    for (round = 0; round < 100000 && end == start; ++round)
        end = det_get_cycles();
    for (round = 0; round < 1000; ++round)
        det_free(alloc, det_alloc(alloc, 16));
    CHECK(det_get_stats(alloc, &after) == DET_OK && det_alloc_destroy(alloc) == DET_OK);
    CHECK(after.alloc_count == 1000 && after.free_count == 1000);
    if (started == DET_OK) {
        CHECK(end != start && after.total_cycles_alloc > 0 && after.total_cycles_free > 0);
        CHECK(after.wcet_alloc > 0 && after.wcet_alloc <= after.total_cycles_alloc);
        CHECK(after.wcet_free > 0 && after.wcet_free <= after.total_cycles_free);
    } else {
        CHECK(started == DET_ERR_UNSUPPORTED && det_last_error(NULL) == DET_ERR_UNSUPPORTED);
        CHECK(start == 0 && end == 0 && after.wcet_alloc == 0 && after.wcet_free == 0);
    }
    return 0;
}

int main(void) {
    det_config_t cfg = det_default_config();
    size_t required = det_alloc_size(&cfg);
    size_t shift;
    CHECK(required > 0 && required <= 4096);
    CHECK(det_set_internal_allocator(NULL, NULL) == DET_OK);
    CHECK(det_set_internal_allocator(never_called, never_called_either) == DET_OK);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM, det_set_internal_allocator(never_called, NULL) == DET_ERR_INVALID_PARAM);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM,
                    det_set_internal_allocator(NULL, never_called_either) == DET_ERR_INVALID_PARAM);

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
    bad = cfg;
    bad.pools[8].block_size = 257;
    bad.pools[9].block_size = 270;
    REFUSED_WITHOUT(DET_ERR_INVALID_CONFIG, det_alloc_size(&bad) == 0); /* Both are rounded to 272. */
    bad.pools[9].block_size = 273;
    CHECK(det_alloc_size(&bad) > 0);
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
    CHECK(det_suggest_config(NULL, 4, &bad) == DET_ERR_NULL && det_suggest_config(sizes, 4, NULL) == DET_ERR_NULL);
    sizes[3] = SIZE_MAX;
    CHECK(det_suggest_config(sizes, 4, &bad) == DET_ERR_INVALID_PARAM && bad.pool_count == 4);

    /* What the header says of the use cases. */
    CHECK(is_at_most(DET_USE_CASE_AUDIO, 2200000) == 0 && is_at_most(DET_USE_CASE_ROBOTICS, 60000) == 0);
    CHECK(is_at_most(DET_USE_CASE_NETWORKING, 600000) == 0 && is_at_most(DET_USE_CASE_EMBEDDED, 5000) == 0);
    CHECK(fits_or_is_refused(cfg) == 0);

    /* Some targets have no exchanges, and say so of everything that needs them. */
    det_config_t shared_cfg = cfg;
    shared_cfg.thread_safe = true;
    bool has_exchanges = det_alloc_size(&shared_cfg) > 0;
    CHECK(has_exchanges || det_last_error(NULL) == DET_ERR_UNSUPPORTED);
    CHECK(has_exchanges == (det_alloc_init(buffer, sizeof buffer, &shared_cfg) != NULL));
    CHECK(has_exchanges || det_last_error(NULL) == DET_ERR_UNSUPPORTED);
    memset(buffer, 0, sizeof buffer);

    CHECK(is_no_handle(NULL, DET_ERR_NULL) == 0);
    CHECK(is_no_handle(never_initialised, DET_ERR_NOT_INITIALIZED) == 0);
    CHECK(is_no_handle(never_initialised + 1, DET_ERR_NOT_INITIALIZED) == 0);
    for (shift = 0; shift < sizeof never_initialised; ++shift)
        CHECK(never_initialised[shift] == 0);

    CHECK(is_aligned_for_its_type() == 0);
    CHECK(is_read_before_it_is_overwritten(cfg) == 0);
    CHECK(!has_exchanges || is_read_before_it_is_overwritten(shared_cfg) == 0);

    /* The buffer may begin anywhere. */
    for (shift = 0; shift < 65; ++shift) {
        det_allocator_t *alloc = det_alloc_init(buffer + shift, required, &cfg);
        CHECK(alloc != NULL && det_validate(alloc));
        uint8_t *block = (uint8_t *)det_alloc(alloc, 100);
        CHECK(block != NULL && (uintptr_t)block % 16 == 0);
        CHECK(det_alloc_usable_size(alloc, block) == 112 && det_alloc_usable_size(alloc, block + 1) == 0);
        det_error_t interior = DET_ERR_INTERIOR_POINTER, foreign = DET_ERR_FOREIGN_POINTER, twice = DET_ERR_DOUBLE_FREE;
        det_error_t remote_interior = has_exchanges ? interior : DET_ERR_UNSUPPORTED;
        det_error_t remote_twice = has_exchanges ? twice : DET_ERR_UNSUPPORTED;
        REFUSED(alloc, interior, det_free(alloc, block + 1) == interior);
        REFUSED(alloc, interior, det_free(alloc, block + 16) == interior);
        REFUSED(alloc, interior, det_realloc(alloc, block + 16, 8) == NULL);
        REFUSED(alloc, interior, det_realloc(alloc, block + 16, 0) == NULL);
        REFUSED(alloc, interior, det_alloc_usable_size(alloc, block + 16) == 0);
        REFUSED(alloc, remote_interior, det_remote_free(alloc, block + 1) == remote_interior);
        REFUSED(alloc, foreign, det_free(alloc, &cfg) == foreign);
        REFUSED(alloc, foreign, det_free(alloc, (void *)(uintptr_t)1) == foreign);
        REFUSED(alloc, foreign, det_free(alloc, (void *)(uintptr_t)UINTPTR_MAX) == foreign);
        REFUSED(alloc, foreign, det_free(alloc, alloc) == foreign);
        CHECK(det_free(alloc, block) == DET_OK);
        REFUSED(alloc, twice, det_free(alloc, block) == twice);
        REFUSED(alloc, remote_twice, det_remote_free(alloc, block) == remote_twice);
        REFUSED(alloc, twice, det_realloc(alloc, block, 10) == NULL);
        REFUSED(alloc, twice, det_realloc(alloc, block, 0) == NULL);
        REFUSED(alloc, twice, det_alloc_usable_size(alloc, block) == 0);
        CHECK(det_free(alloc, NULL) == DET_OK);
        CHECK(det_validate(alloc) && det_alloc_destroy(alloc) == DET_OK);
        CHECK(shift > 16 || is_no_handle(alloc, DET_ERR_NOT_INITIALIZED) == 0);
    }

    det_allocator_t *alloc = det_alloc_init(buffer + 3, required, &cfg);
    det_allocator_t *other = det_alloc_init(other_buffer, required, &cfg);
    CHECK(alloc != NULL && other != NULL);
    CHECK(det_set_internal_allocator(NULL, NULL) == DET_ERR_BUSY);
    void *theirs = det_alloc(other, 16);
    REFUSED(alloc, DET_ERR_FOREIGN_POINTER, det_free(alloc, theirs) == DET_ERR_FOREIGN_POINTER);
    REFUSED(alloc, DET_ERR_FOREIGN_POINTER, det_alloc_usable_size(alloc, theirs) == 0);
    CHECK(det_free(other, theirs) == DET_OK);
    REFUSED(alloc, DET_ERR_NULL, det_alloc_usable_size(alloc, NULL) == 0);
    size_t counted = kept_refusals(alloc);
    REFUSED(alloc, DET_ERR_OVERFLOW, DET_NEW_ARRAY(alloc, int, SIZE_MAX / 2) == NULL);
    REFUSED(alloc, DET_ERR_OVERFLOW, det_alloc_array(alloc, SIZE_MAX, 2) == NULL);
    REFUSED(alloc, DET_ERR_OVERFLOW, det_calloc(alloc, SIZE_MAX, 16) == NULL);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_alloc(alloc, SIZE_MAX) == NULL);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_realloc(alloc, NULL, SIZE_MAX) == NULL);
    REFUSED(alloc, DET_ERR_INVALID_PARAM, det_alloc_aligned(alloc, 8, 3) == NULL);
    REFUSED(alloc, DET_ERR_INVALID_PARAM, det_alloc_aligned(alloc, 8, 0) == NULL);
    REFUSED(alloc, DET_ERR_INVALID_PARAM, det_alloc_array_aligned(alloc, 1, 8, SIZE_MAX) == NULL);
    /* None of these has reached the pools, and both of these have. */
    CHECK(kept_refusals(alloc) == counted);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_alloc(alloc, 513) == NULL);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_alloc_aligned(alloc, 8, 8192) == NULL);
    CHECK(kept_refusals(alloc) == counted + 2);
    uint8_t *aligned = (uint8_t *)det_alloc_aligned(alloc, 8, 64);
    CHECK(aligned != NULL && (uintptr_t)aligned % 64 == 0 && det_free(alloc, aligned) == DET_OK);

    uint8_t *large = (uint8_t *)det_calloc(alloc, 512, 1);
    CHECK(large != NULL && large[0] == 0 && large[511] == 0);
    REFUSED(alloc, DET_ERR_OUT_OF_MEMORY, det_alloc(alloc, 512) == NULL);
    CHECK(kept_refusals(alloc) == counted + 3);
    CHECK(det_realloc(alloc, large, 100) == large);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_realloc(alloc, large, 513) == NULL);
    REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_realloc(alloc, large, SIZE_MAX) == NULL);
    if (has_exchanges) {
        CHECK(det_remote_free(alloc, NULL) == DET_OK && det_remote_free(alloc, large) == DET_OK);
        REFUSED(alloc, DET_ERR_DOUBLE_FREE, det_remote_free(alloc, large) == DET_ERR_DOUBLE_FREE);
        CHECK(det_get_stats(alloc, &after) == DET_OK && after.pool_stats[9].used == 1);
        CHECK(det_adopt_remote_frees(alloc, 8) == 1);
        CHECK(det_get_stats(alloc, &after) == DET_OK && after.pool_stats[9].used == 0);
    } else {
        REFUSED(alloc, DET_ERR_UNSUPPORTED, det_remote_free(alloc, NULL) == DET_ERR_UNSUPPORTED);
        REFUSED(alloc, DET_ERR_UNSUPPORTED, det_remote_free(alloc, large) == DET_ERR_UNSUPPORTED);
        CHECK(det_adopt_remote_frees(alloc, 8) == 0 && det_free(alloc, large) == DET_OK);
    }
    CHECK(det_adopt_remote_frees(alloc, 8) == 0);
    uint8_t *grown = (uint8_t *)det_realloc(alloc, NULL, 16);
    grown[15] = 42;
    grown = (uint8_t *)det_realloc(alloc, grown, 300);
    CHECK(grown != NULL && grown[15] == 42 && det_realloc(alloc, grown, 0) == NULL);
    REFUSED(alloc, DET_ERR_DOUBLE_FREE, det_free(alloc, grown) == DET_ERR_DOUBLE_FREE);
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

    /* A copy of an allocator is none. */
    size_t handle = (size_t)((uint8_t *)alloc - buffer);
    static uint8_t copy[sizeof buffer];
    memcpy(copy, buffer, sizeof buffer);
    CHECK(is_no_handle(copy + handle, DET_ERR_NOT_INITIALIZED) == 0);
    CHECK(memcmp(copy, buffer, handle) == 0 && det_validate(alloc));

    CHECK(det_alloc(alloc, 32) != NULL && det_alloc_destroy(alloc) == DET_ERR_STILL_LIVE);
    CHECK(det_alloc_destroy(alloc) == DET_ERR_NOT_INITIALIZED);

    /* Nobody looks back without being asked to. */
    det_config_t careless = cfg;
    careless.enable_validation = false;
    alloc = det_alloc_init(buffer, sizeof buffer, &careless);
    CHECK(alloc != NULL && det_alloc(alloc, 32) != NULL && det_validate(alloc));
    CHECK(det_alloc_destroy(alloc) == DET_OK && det_alloc_destroy(alloc) == DET_ERR_NOT_INITIALIZED);

    /* Overwritten metadata. */
    size_t byte;
    for (byte = sizeof(void *); byte < 512; ++byte)
        other_buffer[256 + byte] ^= 0x5A;
    CHECK(!det_validate(other) && det_last_error(other) == DET_ERR_CORRUPTED);
    CHECK(det_alloc_destroy(other) == DET_ERR_CORRUPTED);

    /* Any thread may use this one. */
    if (has_exchanges) {
        required = det_alloc_size(&shared_cfg);
        CHECK(required <= sizeof buffer);
        REFUSED_WITHOUT(DET_ERR_BUFFER_TOO_SMALL, det_alloc_init(buffer, required / 2, &shared_cfg) == NULL);
        alloc = det_alloc_init(buffer + 5, required, &shared_cfg);
        CHECK(alloc != NULL);
        uint8_t *shared = (uint8_t *)det_alloc(alloc, 33);
        CHECK(shared != NULL);
        REFUSED(alloc, DET_ERR_INTERIOR_POINTER, det_free(alloc, shared + 1) == DET_ERR_INTERIOR_POINTER);
        REFUSED(alloc, DET_ERR_INTERIOR_POINTER, det_remote_free(alloc, shared + 1) == DET_ERR_INTERIOR_POINTER);
        REFUSED(alloc, DET_ERR_FOREIGN_POINTER, det_free(alloc, &cfg) == DET_ERR_FOREIGN_POINTER);
        REFUSED(alloc, DET_ERR_UNSUPPORTED_SIZE, det_alloc(alloc, 513) == NULL);
        REFUSED(alloc, DET_ERR_OVERFLOW, det_calloc(alloc, SIZE_MAX, 16) == NULL);
        CHECK(det_remote_free(alloc, shared) == DET_OK && det_adopt_remote_frees(alloc, 8) == 0);
        REFUSED(alloc, DET_ERR_DOUBLE_FREE, det_free(alloc, shared) == DET_ERR_DOUBLE_FREE);
        REFUSED(alloc, DET_ERR_DOUBLE_FREE, det_realloc(alloc, shared, 8) == NULL);
        CHECK(det_validate(alloc) && det_alloc_destroy(alloc) == DET_OK);
    }

    det_arena_t *arena = det_arena_init(buffer + 1, 1024);
    CHECK(arena != NULL);
    REFUSED_WITHOUT(DET_ERR_NULL, det_arena_init(NULL, 5) == NULL);
    REFUSED_WITHOUT(DET_ERR_BUFFER_TOO_SMALL, det_arena_init(other_buffer, 1) == NULL);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM, det_arena_init(other_buffer, SIZE_MAX) == NULL);
    float *samples = (float *)det_arena_alloc(arena, 64 * sizeof(float), 64);
    CHECK(samples != NULL && (uintptr_t)samples % 64 == 0 && det_arena_used(arena) >= 256);
    size_t arena_used = det_arena_used(arena);
    REFUSED_WITHOUT(DET_ERR_FULL, det_arena_alloc(arena, 4096, 1) == NULL);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM, det_arena_alloc(arena, 4, 3) == NULL);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM, det_arena_alloc(arena, SIZE_MAX, 1) == NULL);
    CHECK(det_arena_used(arena) == arena_used);
    CHECK(det_arena_reset(arena) == DET_OK && det_arena_used(arena) == 0 && det_arena_peak(arena) >= 256);
    CHECK(det_free((det_allocator_t *)(void *)arena, samples) == DET_ERR_NOT_INITIALIZED);
    CHECK(det_arena_destroy(arena) == DET_OK && det_arena_reset(arena) == DET_ERR_NOT_INITIALIZED);

    size_t ring_bytes = det_ring_size(8, 64), length = 0;
    CHECK(ring_bytes > 0 && ring_bytes <= sizeof buffer && det_ring_size(SIZE_MAX, 2) == 0);
    det_ring_t *ring = det_ring_init(buffer + 7, ring_bytes);
    CHECK(ring != NULL && det_ring_read(ring, &length) == NULL);
    REFUSED_WITHOUT(DET_ERR_NULL, det_ring_init(NULL, ring_bytes) == NULL);
    REFUSED_WITHOUT(DET_ERR_BUFFER_TOO_SMALL, det_ring_init(other_buffer, 64) == NULL);
    REFUSED_WITHOUT(DET_ERR_INVALID_PARAM, det_ring_init(other_buffer, SIZE_MAX) == NULL);
    CHECK(det_ring_commit(ring, 1) == DET_ERR_INVALID_PARAM && det_ring_release(ring) == DET_ERR_INVALID_PARAM);
    uint8_t *message = (uint8_t *)det_ring_grant(ring, 64);
    CHECK(message != NULL && (uintptr_t)message % 16 == 0);
    message[0] = 7;
    CHECK(det_ring_commit(ring, 5) == DET_OK);
    const uint8_t *received = (const uint8_t *)det_ring_read(ring, &length);
    CHECK(received != NULL && length == 5 && received[0] == 7 && det_ring_read(ring, NULL) == received);
    CHECK(det_ring_release(ring) == DET_OK && det_ring_read(ring, &length) == NULL);

    /* A grant that is refused leaves the one before it as it was, and one that is not takes its place. */
    size_t sent = 0;
    do {
        message = (uint8_t *)det_ring_grant(ring, 16);
        CHECK(message != NULL || det_last_error(NULL) == DET_ERR_FULL);
        if (message != NULL)
            memset(message, (int)sent, 16);
        REFUSED_WITHOUT(DET_ERR_UNSUPPORTED_SIZE, det_ring_grant(ring, SIZE_MAX) == NULL);
    } while (message != NULL && det_ring_commit(ring, 16) == DET_OK && ++sent < 1000);
    CHECK(message == NULL && sent >= 8 && det_ring_commit(ring, 1) == DET_ERR_INVALID_PARAM);
    for (shift = 0; shift < sent; ++shift) {
        received = (const uint8_t *)det_ring_read(ring, &length);
        CHECK(received != NULL && length == 16 && received[0] == shift && received[15] == shift);
        CHECK(det_ring_release(ring) == DET_OK);
    }
    message = (uint8_t *)det_ring_grant(ring, 16);
    CHECK(message != NULL);
    message[0] = 1;
    CHECK(det_ring_grant(ring, 8) == (void *)message && det_ring_commit(ring, 9999) == DET_OK);
    CHECK(det_ring_read(ring, &length) == (const void *)message && length == 8);
    CHECK(det_ring_destroy(ring) == DET_OK && is_no_handle(ring, DET_ERR_NOT_INITIALIZED) == 0);

    CHECK(counts_if_it_says_so() == 0);
    CHECK(det_error_string(-1) != NULL && det_error_string(9999) != NULL && det_version_string()[0] != 0);
    puts("all refused");
    return 0;
}
