/*
 * image.c - the blocks a build made
 */
#include "index_ops.h"

void vssi_image_free(vssi_heap *heap, vssi_image *image)
{
    for (size_t i = 0; i < image->n_blocks; i++)
        vssi_free(heap, image->blocks[i].data);
    *image = (vssi_image){0};
}
