/* Which image each node ran, and how many pods ran which image: `argo/templates.py` and `argo/images.py`. */
#ifndef IMAGES_H
#define IMAGES_H

#include "graph.h"

typedef struct {
    Str template, container, image;
    Role role;
    int64_t pods;
} Image;

typedef struct {
    ARRAY(Image) images;
} Images;

/* Fills in the nodes' images and the list of images; false if the document is odd. The graph is that of the nodes. */
bool find_images(Images *images, Document *document, Graph *graph);

#endif
