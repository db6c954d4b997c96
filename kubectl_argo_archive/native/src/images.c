#include "images.h"

enum {
    INLINE_DEPTH = 20,  /* see tables/rowwise.py */
    MOST_IMAGES = 512,  /* each is compared with each */
    MOST_FILLED = 4096, /* bytes of an image with its placeholders filled in */
};

/* The first template of this name at this place. */
static const Template *named(const Document *document, Place place, Str name) {
    for (uint32_t i = 0; i < COUNT(document->templates, Template); i++) {
        const Template *template = ITEM(document->templates, Template, i);
        if (template->place == place && filled(template->name) && same(template->name, name)) return template;
    }
    return NULL;
}

/* The stored template with the key `<kind>/<resource>/<name>`; without a kind: `<resource>/<name>`. */
static const Template *stored(const Document *document, Str kind, Str resource, Str name) {
    uint64_t size = (uint64_t)resource.size + 1 + name.size + (kind.size ? kind.size + 1 : 0);
    for (uint32_t i = 0; i < COUNT(document->templates, Template); i++) {
        const Template *template = ITEM(document->templates, Template, i);
        if (template->place != STORED || template->key.size != size) continue;
        const uint8_t *at = template->key.at;
        if (kind.size) {
            if (memcmp(at, kind.at, kind.size) != 0 || at[kind.size] != '/') continue;
            at += kind.size + 1;
        }
        if (memcmp(at, resource.at, resource.size) == 0 && at[resource.size] == '/' &&
            memcmp(at + resource.size + 1, name.at, name.size) == 0)
            return template;
    }
    return NULL;
}

/* The only stored template whose key ends with `/<name>`. */
static const Template *only_stored(const Document *document, Str name) {
    const Template *found = NULL;
    for (uint32_t i = 0; i < COUNT(document->templates, Template); i++) {
        const Template *template = ITEM(document->templates, Template, i);
        Str key = template->key;
        if (template->place != STORED || key.size < name.size + 1 || key.at[key.size - name.size - 1] != '/' ||
            memcmp(key.at + key.size - name.size, name.at, name.size) != 0)
            continue;
        if (found) return NULL;
        found = template;
    }
    return found;
}

/* In the order in which Argo looks for it. */
static const Template *resolve(const Document *document, const Node *node) {
    const Template *found;
    Str name = node->template_name, scope = node->template_scope, local = STR("local/");
    if (filled(node->reference_name) && filled(node->reference_template)) {
        Str kind = node->reference_is_clustered ? STR("cluster") : STR("namespaced");
        if ((found = stored(document, kind, node->reference_name, node->reference_template))) return found;
        if (!filled(name)) name = node->reference_template;
    }
    if (!filled(name)) return NULL;
    if (filled(scope) && (scope.size < local.size || memcmp(scope.at, local.at, local.size) != 0))
        if ((found = stored(document, NO_STR, scope, name))) return found;
    if ((found = named(document, OWN, name)) || (found = named(document, OF_TEMPLATE, name))) return found;
    return only_stored(document, name);
}

/* A template inside `around`; the last one under a name counts. */
static const Template *inside(const Document *document, const Template *around, Str name) {
    for (uint32_t i = around->inside.count; i > 0; i--) {
        uint32_t index = *ITEM(document->insides, uint32_t, around->inside.first + i - 1);
        const Template *template = ITEM(document->templates, Template, index);
        if (same(template->key, name)) return template;
    }
    return NULL;
}

/* By its name or, without one, inside the template of the node around it. */
static const Template *template_of(const Document *document, Graph *graph, const Node *node, int depth) {
    if (node == NULL || depth > INLINE_DEPTH) return NULL;
    if (filled(node->template_name) || filled(node->reference_name)) return resolve(document, node);
    if (!filled(node->boundary_id)) return NULL;
    const Template *around = template_of(document, graph, node_of(graph, document, node->boundary_id), depth + 1);
    if (around == NULL) return NULL;
    Str shown = node->display_name;
    const Template *found = inside(document, around, shown);
    if (found) return found;
    for (uint32_t i = 0; i < shown.size; i++)
        if (shown.at[i] == '(') shown.size = i;
    return inside(document, around, shown);
}

/* --- images with placeholders --- */

static bool has_placeholder(Str image) {
    for (uint32_t i = 0; i + 1 < image.size; i++)
        if (image.at[i] == '{' && image.at[i + 1] == '{') return true;
    return false;
}

/* The value of an argument; the last one of a name counts. */
static Str argument(const Document *document, Range parameters, const uint8_t *name, uint32_t size) {
    for (uint32_t i = parameters.count; i > 0; i--) {
        const Parameter *parameter = ITEM(document->parameters, Parameter, parameters.first + i - 1);
        if (same(parameter->name, (Str){name, size})) return parameter->value;
    }
    return NO_STR;
}

static bool starts(const uint8_t *at, const uint8_t *end, const char *word) {
    return (size_t)(end - at) >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

/* The placeholder at `at`: the end of it, and the value that stands for it; NULL if there is none. */
static const uint8_t *placeholder(const Document *document, const Node *node, const uint8_t *at, const uint8_t *end,
                                  Str *value) {
    if (!starts(at, end, "{{")) return NULL;
    at += 2;
    if (at < end && *at == '=') at++;
    while (at < end && *at == ' ') at++;
    Range among;
    if (starts(at, end, "inputs")) {
        among = node->inputs.parameters;
        at += strlen("inputs");
    } else if (starts(at, end, "workflow")) {
        among = document->arguments.parameters;
        at += strlen("workflow");
    } else {
        return NULL;
    }
    if (!starts(at, end, ".parameters.")) return NULL;
    const uint8_t *name = at += strlen(".parameters.");
    while (at < end && *at != ' ' && *at != '}') at++;
    uint32_t size = (uint32_t)(at - name);
    while (at < end && *at == ' ') at++;
    if (size == 0 || !starts(at, end, "}}")) return NULL;
    *value = argument(document, among, name, size);
    return at + 2;
}

/* The image with its placeholders filled in; what is unknown stays. False if white space other than ' ' may be there.
 */
static bool fill(Document *document, const Node *node, Str image, Str *filled_in) {
    const uint8_t *at = image.at, *end = image.at + image.size, *behind;
    size_t size = 0;
    Str value;
    *filled_in = image;
    if (!has_placeholder(image)) return true;
    for (const uint8_t *byte = at; byte < end; byte++)
        if (*byte >= 0x80 || *byte < 0x20) return false;
    for (const uint8_t *c = at; c < end;) { /* how long it becomes */
        behind = placeholder(document, node, c, end, &value);
        size += behind ? (value.at ? value.size : (size_t)(behind - c)) : 1;
        c = behind ? behind : c + 1;
    }
    if (size > MOST_FILLED) return false;
    uint8_t *start = arena_take(&document->arena, size), *to = start;
    while (at < end) {
        behind = placeholder(document, node, at, end, &value);
        Str piece = behind && value.at ? value : (Str){at, behind ? (uint32_t)(behind - at) : 1};
        if (piece.size) memcpy(to, piece.at, piece.size);
        to += piece.size;
        at = behind ? behind : at + 1;
    }
    *filled_in = (Str){start, (uint32_t)(to - start)};
    return true;
}

/* --- nodes and their images --- */

/* The image of the main container: the one called "main", else the first; of a container set's container: its own. */
static Str image_of(const Document *document, const Template *template, bool is_pod, Str container) {
    Str first = NO_STR;
    for (uint32_t i = 0; i < template->containers.count; i++) {
        const Container *c = ITEM(document->containers, Container, template->containers.first + i);
        if (c->role != MAIN) continue;
        if (same(c->name, is_pod ? STR("main") : container)) return c->image;
        if (first.at == NULL) first = c->image;
    }
    return is_pod ? first : NO_STR;
}

static bool count_pod(Images *images, Str template, const Container *container, Str image) {
    uint32_t count = COUNT(images->images, Image);
    for (uint32_t i = 0; i < count; i++) {
        Image *known = ITEM(images->images, Image, i);
        if (same(known->image, image) && same(known->container, container->name) && known->role == container->role &&
            (known->template.at == NULL) == (template.at == NULL) && same(known->template, template)) {
            known->pods++;
            return true;
        }
    }
    if (count == MOST_IMAGES) return false;
    *PUSH(images->images, Image) = (Image){template, container->name, image, container->role, 1};
    return true;
}

static bool count_containers(Images *images, Document *document, const Node *node, const Template *template) {
    for (uint32_t i = 0; i < template->containers.count; i++) {
        const Container *container = ITEM(document->containers, Container, template->containers.first + i);
        Str image;
        if (!fill(document, node, container->image, &image)) return false;
        if (!count_pod(images, template->name, container, image)) return false;
    }
    return true;
}

bool find_images(Images *images, Document *document, Graph *graph) {
    CLEAR(images->images);
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        Node *node = ITEM(document->nodes, Node, i);
        bool is_pod = node->type.at && same(node->type, STR("Pod"));
        bool ran = !node->memoized &&
                   !(node->phase.at && (same(node->phase, STR("Skipped")) || same(node->phase, STR("Omitted"))));
        if (!ran || !(is_pod || (node->type.at && same(node->type, STR("Container"))))) continue;
        const Template *template = template_of(document, graph, node, 0);
        if (template == NULL) continue;
        if (!is_pod && node->display_name.at == NULL) continue;
        Str image = image_of(document, template, is_pod, node->display_name);
        if (!filled(image)) continue;
        if (!fill(document, node, image, &node->image)) return false;
        if (is_pod && !count_containers(images, document, node, template)) return false;
    }
    return true;
}
