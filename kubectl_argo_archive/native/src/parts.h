/* The parts of a document that have files of their own: arguments.c, templates.c. */
#ifndef PARTS_H
#define PARTS_H

#include "document.h"

/* `arguments`, `inputs` or `outputs`; `result` and `exit_code` are those of a node's outputs, else NULL. */
bool read_arguments(Reader *reader, Document *document, int32_t node, Direction direction, Arguments *arguments,
                    Str *result, int64_t *exit_code);

/* A list of templates: of the workflow itself, or of the template that it refers to. */
bool read_templates(Reader *reader, Document *document, Place place);
/* `status.storedTemplates`, by key. */
bool read_stored_templates(Reader *reader, Document *document);

#endif
