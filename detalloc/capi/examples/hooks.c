/* Functions that hear of every block, and what they get that ask the allocator itself for something. Prints the first line that
 * is not so. */
#include "detalloc.h"

#include <stdlib.h>

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("line %d: %s\n", __LINE__, #condition);                 \
            return 1;                                                      \
        }                                                                  \
    } while (0)

/* What a hook saw. */
struct heard {
    det_allocator_t *alloc; /* The one that it asks. */
    det_error_t served;     /* What requests get out of the hook: DET_OK or DET_ERR_BUSY. */
    void *live;             /* A block of it. */
    int allocated;          /* How often it was called. */
    int freed;
    int wrong; /* The line of the first answer that was wrong. */
};

#define DEMAND(condition)                          \
    do {                                           \
        if (!(condition) && heard->wrong == 0)     \
            heard->wrong = __LINE__;               \
    } while (0)

/* Everything that can be asked, asked in a hook. */
static void ask(struct heard *heard) {
    det_allocator_t *alloc = heard->alloc;
    bool is_served = heard->served == DET_OK;
    det_stats_t stats;
    void *block;
    DEMAND(det_alloc_destroy(alloc) == DET_ERR_BUSY);

    block = det_alloc(alloc, 16);
    DEMAND((block != NULL) == is_served && (is_served || det_last_error(alloc) == DET_ERR_BUSY));
    DEMAND(!is_served || det_free(alloc, block) == DET_OK);
    block = det_calloc(alloc, 1, 16);
    DEMAND((block != NULL) == is_served && (!is_served || det_free(alloc, block) == DET_OK));
    block = det_alloc_aligned(alloc, 16, 32);
    DEMAND((block != NULL) == is_served && (!is_served || det_free(alloc, block) == DET_OK));
    block = det_realloc(alloc, NULL, 16);
    DEMAND((block != NULL) == is_served && (!is_served || det_free(alloc, block) == DET_OK));
    DEMAND(det_realloc(alloc, heard->live, 8) == (is_served ? heard->live : NULL));
    DEMAND(is_served || det_free(alloc, heard->live) == DET_ERR_BUSY);
    DEMAND((det_alloc_usable_size(alloc, heard->live) > 0) == is_served);
    DEMAND(det_validate(alloc) == is_served);
    DEMAND(det_adopt_remote_frees(alloc, 8) == 0);
    det_prefetch(alloc, 16);

    DEMAND(det_get_stats(alloc, &stats) == DET_OK && stats.used_memory > 0);
    /* Also refused while a hook runs: ending it, once more after all that. */
    DEMAND(det_alloc_destroy(alloc) == DET_ERR_BUSY);
}

static void on_alloc(void *block, size_t size, void *userdata) {
    struct heard *heard = (struct heard *)userdata;
    ++heard->allocated;
    DEMAND(block != NULL && size == 24);
    ask(heard);
}

static void on_free(void *block, void *userdata) {
    struct heard *heard = (struct heard *)userdata;
    ++heard->freed;
    DEMAND(det_free(heard->alloc, block) == (heard->served == DET_OK ? DET_ERR_DOUBLE_FREE : DET_ERR_BUSY));
    ask(heard);
}

/* Frees from afar, which a hook may. */
static void on_alloc_free_remotely(void *block, size_t size, void *userdata) {
    struct heard *heard = (struct heard *)userdata;
    (void)block;
    (void)size;
    ++heard->allocated;
    DEMAND(det_remote_free(heard->alloc, heard->live) == DET_OK);
}

/* An allocator of this configuration, in memory of the C library's, where a sanitizer sees every wrong access. */
static int asks(const det_config_t *cfg, det_error_t served) {
    size_t required = det_alloc_size(cfg);
    void *buffer = malloc(required), *other_buffer = malloc(required), *block, *theirs;
    det_allocator_t *alloc = det_alloc_init(buffer, required, cfg);
    det_allocator_t *other = det_alloc_init(other_buffer, required, cfg);
    struct heard heard = {NULL, DET_OK, NULL, 0, 0, 0};
    CHECK(alloc != NULL && other != NULL);
    heard.alloc = alloc;
    heard.served = served;
    heard.live = det_alloc(alloc, 40);
    CHECK(heard.live != NULL);

    det_set_alloc_hook(on_alloc, &heard);
    det_set_free_hook(on_free, &heard);
    block = det_alloc(alloc, 24);
    CHECK(block != NULL && heard.wrong == 0 && heard.allocated == 1 && heard.freed == 0);
    CHECK(det_free(alloc, block) == DET_OK && heard.wrong == 0 && heard.allocated == 1 && heard.freed == 1);
    /* What is refused is not heard of. */
    CHECK(det_alloc(alloc, SIZE_MAX) == NULL && det_free(alloc, block) == DET_ERR_DOUBLE_FREE);
    CHECK(heard.allocated == 1 && heard.freed == 1);

    /* Asked of another allocator, everything is served, and heard of. */
    heard.alloc = other;
    heard.served = DET_OK;
    heard.live = NULL;
    det_set_alloc_hook(NULL, NULL);
    det_set_free_hook(NULL, NULL);
    theirs = det_alloc(other, 16);
    heard.live = theirs;
    det_set_alloc_hook(on_alloc_free_remotely, &heard);
    block = det_alloc(alloc, 24);
    CHECK(block != NULL && theirs != NULL && heard.allocated == 2);
    if (heard.wrong != 0) /* Not where there are no atomic exchanges. */
        CHECK(det_free(other, theirs) == DET_OK);
    det_set_alloc_hook(NULL, NULL);

    /* Afterwards everything goes on. */
    CHECK(det_free(alloc, block) == DET_OK && det_validate(alloc) && det_validate(other));
    CHECK(det_alloc_destroy(alloc) == (cfg->enable_validation ? DET_ERR_STILL_LIVE : DET_OK));
    CHECK(det_alloc_destroy(other) == DET_OK);
    free(buffer);
    free(other_buffer);
    return 0;
}

int main(void) {
    det_config_t cfg = det_default_config();
    CHECK(asks(&cfg, DET_ERR_BUSY) == 0);
    cfg.enable_stats = cfg.enable_validation = false;
    CHECK(asks(&cfg, DET_ERR_BUSY) == 0);
    cfg.thread_safe = true;
    if (det_alloc_size(&cfg) == 0) {
        CHECK(det_last_error(NULL) == DET_ERR_UNSUPPORTED);
    } else {
        CHECK(asks(&cfg, DET_OK) == 0);
        cfg.enable_stats = cfg.enable_validation = true;
        CHECK(asks(&cfg, DET_OK) == 0);
    }
    puts("heard");
    return 0;
}
