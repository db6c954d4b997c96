#include "parts.h"

/* clang-format off */
#define TEMPLATE(X, T) X(T, name) X(T, container) X(T, script) X(T, containerSet) X(T, initContainers) \
    X(T, sidecars) X(T, steps) X(T, dag)
#define CONTAINER(X, T) X(T, name) X(T, image)
#define TASK(X, T) X(T, name) X(T, inline)
#define DAG(X, T) X(T, tasks)
#define CONTAINER_SET(X, T) X(T, containers)
/* clang-format on */

DEFINE_MEMBERS(template, TEMPLATE)
DEFINE_MEMBERS(container, CONTAINER)
DEFINE_MEMBERS(task, TASK)
DEFINE_MEMBERS(dag, DAG)
DEFINE_MEMBERS(container_set, CONTAINER_SET)

enum { MOST_STORED = 1000 }; /* templates, whose keys are compared one with another */

static bool read_container(Reader *reader, Document *document, Role role, Str given_name) {
    Container found = {.role = role, .name = STR("")};
    Object object;
    if (!open_object(reader, &object, container_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;)
        if (!read_text(reader, member == container_name ? &found.name : &found.image)) return false;
    if (given_name.at) found.name = given_name;
    if (filled(found.image)) *PUSH(document->containers, Container) = found;
    return !reader->odd;
}

static bool read_containers(Reader *reader, Document *document, Role role) {
    bool begun = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun))
        if (!read_container(reader, document, role, NO_STR)) return false;
    return !reader->odd;
}

static bool read_container_set(Reader *reader, Document *document) {
    Object object;
    if (!open_object(reader, &object, container_set_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_containers(reader, document, MAIN)) return false;
    return !reader->odd;
}

static bool read_template(Reader *reader, Document *document, Place place, Str key, uint32_t *index);

/* A step or a task, for the template that it may hold. */
static bool read_task(Reader *reader, Document *document, Buffer *inside) {
    Object object;
    Str name = NO_STR;
    uint32_t index = 0;
    bool found = false;
    if (peek(reader) != OBJECT) return odd(reader);
    if (!open_object(reader, &object, task_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        if (member == task_name) {
            if (!read_text(reader, &name)) return false;
        } else {
            if (!read_template(reader, document, INSIDE, NO_STR, &index)) return false;
            found = true;
        }
    }
    if (found) {
        if (name.at == NULL) return odd(reader); /* nobody finds it, but its containers would count for those around */
        ITEM(document->templates, Template, index)->key = name;
        append(inside, &index, sizeof index);
    }
    return !reader->odd;
}

static bool read_tasks(Reader *reader, Document *document, Buffer *inside) {
    bool begun = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun)) {
        /* steps are lists of lists; the exact reader knows lists of steps, too */
        if (!(peek(reader) == LIST ? read_tasks(reader, document, inside) : read_task(reader, document, inside)))
            return false;
    }
    return !reader->odd;
}

static bool read_dag(Reader *reader, Document *document, Buffer *inside) {
    Object object;
    if (!open_object(reader, &object, dag_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_tasks(reader, document, inside)) return false;
    return !reader->odd;
}

static bool read_template_members(Reader *reader, Document *document, Template *found, Buffer *inside) {
    Object object;
    if (!open_object(reader, &object, template_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case template_name: read = read_text(reader, &found->name); break;
            case template_container:
            case template_script: read = read_container(reader, document, MAIN, STR("main")); break;
            case template_containerSet: read = read_container_set(reader, document); break;
            case template_initContainers: read = read_containers(reader, document, INIT); break;
            case template_sidecars: read = read_containers(reader, document, SIDECAR); break;
            case template_steps: read = read_tasks(reader, document, inside); break;
            case template_dag: read = read_dag(reader, document, inside); break;
        }
        if (!read) return odd(reader);
    }
    /* two ways to say what the main containers are: the order in which they count is the exact reader's affair */
    uint64_t kinds =
        (uint64_t)1 << template_container | (uint64_t)1 << template_script | (uint64_t)1 << template_containerSet;
    uint64_t both_tasks = (uint64_t)1 << template_steps | (uint64_t)1 << template_dag;
    if (__builtin_popcountll(object.seen & kinds) > 1 || (object.seen & both_tasks) == both_tasks) return odd(reader);
    return !reader->odd;
}

static bool read_template(Reader *reader, Document *document, Place place, Str key, uint32_t *index) {
    Template found = {.place = place, .key = key};
    Buffer inside = {NULL, 0, 0};
    uint32_t first = COUNT(document->containers, Container);
    bool read = read_template_members(reader, document, &found, &inside);
    if (read) {
        /* containers of templates inside this one would stand among its own: the exact reader takes such documents
         * unless the template has none itself */
        uint32_t own = COUNT(document->containers, Container) - first;
        if (inside.size && own) {
            uint32_t within = 0;
            for (uint32_t i = 0; i < inside.size / sizeof(uint32_t); i++)
                within += ITEM(document->templates, Template, ((uint32_t *)(void *)inside.at)[i])->containers.count;
            if (within != own) read = odd(reader);
            own = 0;
        }
        found.containers = (Range){first, own};
        found.inside = (Range){COUNT(document->insides, uint32_t), (uint32_t)(inside.size / sizeof(uint32_t))};
        append(&document->insides.items, inside.at, inside.size);
        if (!filled(found.name)) found.name = NO_STR;
        *index = COUNT(document->templates, Template);
        *PUSH(document->templates, Template) = found;
    }
    release(&inside);
    return read;
}

bool read_templates(Reader *reader, Document *document, Place place) {
    bool begun = false;
    uint32_t index;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun))
        if (!read_template(reader, document, place, NO_STR, &index)) return false;
    return !reader->odd;
}

bool read_stored_templates(Reader *reader, Document *document) {
    Object object;
    Str key;
    uint32_t index;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    for (uint32_t count = 0; next_entry(reader, &object, &key); count++) {
        for (uint32_t i = 0; i < COUNT(document->templates, Template); i++) {
            const Template *known = ITEM(document->templates, Template, i);
            if (known->place == STORED && same(known->key, key)) return odd(reader);
        }
        if (count == MOST_STORED || !read_template(reader, document, STORED, key, &index)) return odd(reader);
    }
    return !reader->odd;
}
