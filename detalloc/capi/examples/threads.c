/* Several threads: one that owns an allocator and sends blocks over a ring to another, which frees them from afar; and four that
 * share a thread_safe allocator. Prints what is left in the end: nothing. */
#include "detalloc.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGES = 20000, WORKERS = 4, ROUNDS = 300000 };

static uint8_t owned_buffer[64 * 1024];
static uint8_t shared_buffer[64 * 1024];
static uint8_t ring_buffer[4096];
static det_allocator_t *owned;
static det_allocator_t *shared;
static det_ring_t *ring;

/* Takes the messages and frees the blocks that they name. */
static void *consume(void *failures) {
    int received = 0;
    while (received < MESSAGES) {
        size_t length;
        uint8_t *block;
        const void *message = det_ring_read(ring, &length);
        if (message == NULL)
            continue;
        memcpy(&block, message, sizeof block);
        if (length != sizeof block || block[0] != (uint8_t)received || det_remote_free(owned, block) != DET_OK)
            ++*(int *)failures;
        det_ring_release(ring);
        ++received;
    }
    return NULL;
}

/* Sends blocks, one after the other, as soon as there is one and a place for its address. */
static void produce(void) {
    int sent;
    for (sent = 0; sent < MESSAGES; ++sent) {
        uint8_t *block;
        void *place;
        while ((block = (uint8_t *)det_alloc(owned, 64)) == NULL) {
        }
        block[0] = (uint8_t)sent;
        while ((place = det_ring_grant(ring, sizeof block)) == NULL) {
        }
        memcpy(place, &block, sizeof block);
        det_ring_commit(ring, sizeof block);
    }
}

/* What a worker finds. */
struct work {
    int failures;
    size_t allocated;
};

/* Takes blocks of all sizes, writes to all of each, and gives them back. */
static void *work(void *of) {
    struct work *mine = (struct work *)of;
    uint8_t *held[8] = {NULL};
    size_t round;
    for (round = 0; round < ROUNDS; ++round) {
        uint8_t **place = &held[round % 8];
        size_t size = 16 + round * 7 % 200;
        if (*place != NULL && det_free(shared, *place) != DET_OK)
            ++mine->failures;
        *place = (uint8_t *)det_alloc(shared, size);
        if (*place != NULL) {
            memset(*place, (int)round, size);
            ++mine->allocated;
        }
    }
    for (round = 0; round < 8; ++round)
        if (held[round] != NULL && det_free(shared, held[round]) != DET_OK)
            ++mine->failures;
    return NULL;
}

int main(void) {
    det_config_t config = det_config_for_use_case(DET_USE_CASE_EMBEDDED);
    pthread_t consumer, workers[WORKERS];
    struct work works[WORKERS] = {{0, 0}};
    int failed = 0, worker;
    size_t allocated = 0;
    det_stats_t left, left_shared;

    owned = det_alloc_init(owned_buffer, sizeof owned_buffer, &config);
    config.thread_safe = true;
    shared = det_alloc_init(shared_buffer, sizeof shared_buffer, &config);
    ring = det_ring_init(ring_buffer, sizeof ring_buffer);
    if (owned == NULL || shared == NULL || ring == NULL)
        return 1;

    if (pthread_create(&consumer, NULL, consume, &failed) != 0)
        return 1;
    for (worker = 0; worker < WORKERS; ++worker)
        if (pthread_create(&workers[worker], NULL, work, &works[worker]) != 0)
            return 1;
    produce();
    pthread_join(consumer, NULL);
    for (worker = 0; worker < WORKERS; ++worker)
        pthread_join(workers[worker], NULL);
    while (det_adopt_remote_frees(owned, 64) > 0) {
    }

    for (worker = 0; worker < WORKERS; ++worker) {
        failed += works[worker].failures;
        allocated += works[worker].allocated;
    }
    det_get_stats(owned, &left);
    det_get_stats(shared, &left_shared);
    /* None is missed, whatever the others do. */
    if (left_shared.alloc_count != allocated || left_shared.free_count != allocated)
        ++failed;
    printf("failures: %d, left: %u and %u bytes, valid: %d and %d\n", failed, (unsigned)left.used_memory,
           (unsigned)left_shared.used_memory, det_validate(owned), det_validate(shared));
    return det_alloc_destroy(owned) != DET_OK || det_alloc_destroy(shared) != DET_OK || det_ring_destroy(ring) != DET_OK;
}
