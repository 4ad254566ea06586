// tool/layout.c: `nebulet image --oci`: an OCI image layout in an archive, of a
// module, its arguments, variables and copies of files, for engines of
// containers: as an image with one plain layer, which all of them unpack, or as
// a wasm artifact.  The same input gives the same bytes.

#include "tool/run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TYPE_OCI "application/vnd.oci.image."

struct blob {
    char digest[sizeof("sha256:") + DIGEST_TEXT];
    u64 size;
};

// --- blobs -------------------------------------------------------------------

static struct blob
put_blob(struct buffer *out, const void *ptr, u64 size)
{
    struct bytes bytes = {(u8 *)ptr, size};
    struct digest digest = digest_of(bytes);
    struct blob blob = {.size = size};
    char text[DIGEST_TEXT], name[128];

    digest_text(text, &digest);
    snprintf(blob.digest, sizeof(blob.digest), "sha256:%s", text);
    snprintf(name, sizeof(name), "blobs/sha256/%s", text);
    tar_add(out, name, ptr, size);
    return blob;
}

static struct blob
put_json(struct buffer *out, cJSON *tree, const char *name)
{
    char *text = cJSON_PrintUnformatted(tree);
    struct blob blob = {0};

    assert(text != NULL);
    if (name != NULL)
        tar_add(out, name, text, strlen(text));
    else
        blob = put_blob(out, text, strlen(text));
    free(text);
    cJSON_Delete(tree);
    return blob;
}

static cJSON *
descriptor(const char *type, const struct blob *blob)
{
    cJSON *d = cJSON_CreateObject();

    cJSON_AddStringToObject(d, "mediaType", type);
    cJSON_AddStringToObject(d, "digest", blob->digest);
    cJSON_AddNumberToObject(d, "size", (double)blob->size);
    return d;
}

static cJSON *
list_of(const char *text)
{
    return cJSON_CreateStringArray(&text, 1);
}

// --- configurations ----------------------------------------------------------

static void
add_date(cJSON *config)
{
    i64 seconds;
    char text[32];
    struct tm tm;

    if (!media_date(&seconds))
        return; // else no time would be the same twice
    time_t time = (time_t)seconds;
    gmtime_r(&time, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    cJSON_AddStringToObject(config, "created", text);
}

// What an engine starts, with the module at the root of the files.
static cJSON *
entry_of(const struct run *run)
{
    char path[4096 + 1024];

    snprintf(path, sizeof(path), "/%s%s%s", base_name(run->programs[0].path),
             run->invoke != NULL ? "#" : "",
             run->invoke != NULL ? run->invoke : "");
    return list_of(path);
}

static cJSON *
image_config(const struct run *run, const struct blob *layer)
{
    cJSON *config = cJSON_CreateObject(), *files = cJSON_CreateObject();

    add_date(config);
    cJSON_AddStringToObject(config, "architecture", "wasm");
    cJSON_AddStringToObject(config, "os", "wasi");
    cJSON *start = cJSON_AddObjectToObject(config, "config");
    cJSON_AddItemToObject(start, "Entrypoint", entry_of(run));
    if (run->args.count > 0)
        cJSON_AddItemToObject(
            start, "Cmd",
            cJSON_CreateStringArray((const char *const *)run->args.list,
                                    run->args.count));
    if (run->env.count > 0)
        cJSON_AddItemToObject(
            start, "Env",
            cJSON_CreateStringArray((const char *const *)run->env.list,
                                    (int)run->env.count));
    cJSON_AddStringToObject(files, "type", "layers");
    cJSON_AddItemToObject(files, "diff_ids", list_of(layer->digest));
    cJSON_AddItemToObject(config, "rootfs", files);
    return config;
}

static cJSON *
artifact_config(const struct blob *layer)
{
    cJSON *config = cJSON_CreateObject();

    add_date(config);
    cJSON_AddStringToObject(config, "architecture", "wasm");
    cJSON_AddStringToObject(config, "os", "wasip1");
    cJSON_AddItemToObject(config, "layerDigests", list_of(layer->digest));
    return config;
}

// --- the layout --------------------------------------------------------------

// The name that engines give it: the module's, in small letters.
static void
image_name(const struct run *run, char *to, u64 size)
{
    const char *name = base_name(run->programs[0].path);
    const char *dot = strrchr(name, '.');
    size_t len =
        dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    u64 at = 0;

    for (size_t i = 0; i < len && at + 1 < size; i++) {
        char c = name[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        // Between letters and digits there may be one of these.
        if (plain || (c == '-' && at > 0 && to[at - 1] != '-' && i + 1 < len))
            to[at++] = c;
    }
    to[at] = 0;
    if (at == 0)
        snprintf(to, size, "nebulet");
}

static void
put_index(struct buffer *out, const struct run *run,
          const struct blob *manifest)
{
    cJSON *index = cJSON_CreateObject(), *platform = cJSON_CreateObject();
    cJSON *names = cJSON_CreateObject();
    char name[128], whole[192];

    image_name(run, name, sizeof(name));
    snprintf(whole, sizeof(whole), "docker.io/library/%s:latest", name);
    cJSON *one = descriptor(TYPE_OCI "manifest.v1+json", manifest);
    cJSON_AddStringToObject(platform, "architecture", "wasm");
    cJSON_AddStringToObject(platform, "os", "wasi");
    cJSON_AddItemToObject(one, "platform", platform);
    cJSON_AddStringToObject(names, "io.containerd.image.name", whole);
    cJSON_AddStringToObject(names, "org.opencontainers.image.ref.name",
                            "latest");
    cJSON_AddItemToObject(one, "annotations", names);
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, one);
    cJSON_AddNumberToObject(index, "schemaVersion", 2);
    cJSON_AddStringToObject(index, "mediaType", TYPE_OCI "index.v1+json");
    cJSON_AddItemToObject(index, "manifests", list);
    put_json(out, index, "index.json");
}

static void
put_layout(struct buffer *out, const struct run *run, struct bytes layer)
{
    bool artifact = run->media.artifact;
    cJSON *manifest = cJSON_CreateObject(), *layers = cJSON_CreateArray();
    cJSON *layout = cJSON_CreateObject();

    cJSON_AddStringToObject(layout, "imageLayoutVersion", "1.0.0");
    put_json(out, layout, "oci-layout");
    struct blob body = put_blob(out, layer.ptr, layer.size);
    struct blob config = put_json(
        out, artifact ? artifact_config(&body) : image_config(run, &body),
        NULL);
    cJSON_AddNumberToObject(manifest, "schemaVersion", 2);
    cJSON_AddStringToObject(manifest, "mediaType", TYPE_OCI "manifest.v1+json");
    cJSON_AddItemToObject(manifest, "config",
                          descriptor(artifact ?
                                         "application/vnd.wasm.config.v0+json" :
                                         TYPE_OCI "config.v1+json",
                                     &config));
    cJSON_AddItemToArray(layers, descriptor(artifact ? "application/wasm" :
                                                       TYPE_OCI "layer.v1.tar",
                                            &body));
    cJSON_AddItemToObject(manifest, "layers", layers);
    struct blob whole = put_json(out, manifest, NULL);
    put_index(out, run, &whole);
    tar_end(out);
}

// The files of a container: the module, and copies.
static bool
put_files(struct buffer *layer, struct run *run, struct bytes module)
{
    const struct dir *largest;
    u64 size;

    if (!dirs_measure(&run->dirs, &size, &largest))
        return false;
    tar_add(layer, base_name(run->programs[0].path), module.ptr, module.size);
    if (!dirs_copy(&run->dirs, layer, "."))
        return false;
    tar_end(layer);
    return true;
}

static bool
has_no_place(const struct run *run)
{
    bool artifact = run->media.artifact;
    bool given = artifact && (run->env.count > 0 || run->args.count > 0);
    bool dirs = artifact && run->dirs.count > 0;
    bool invoke = artifact && run->invoke != NULL;
    const struct {
        bool said;
        const char *name;
    } rest[] = {
        {run->program_count > 1, "--then and --beside"             },
        {run->preload_count > 0, "--preload"                       },
        {run->argv0 != NULL,     "--argv0"                         },
        {run->media.pair,        "--pair"                          },
        {dirs,                   "--dir, in an artifact"           },
        {given,                  "what it is given, in an artifact"},
        {invoke,                 "--invoke, in an artifact"        },
    };

    for (u32 i = 0; i < COUNT(rest); i++) {
        if (!rest[i].said)
            continue;
        misuse(run->command, "%s: an image of --oci has no place for it",
               rest[i].name);
        return true;
    }
    return false;
}

int
layout_write(struct run *run)
{
    struct buffer layer = {0}, out = {0};

    if (has_no_place(run))
        return STATUS_MISUSE;
    struct bytes module = module_read(run->programs[0].path);
    bool done = module.ptr != NULL;
    if (done && run->media.artifact)
        put_layout(&out, run, module);
    else if (done && put_files(&layer, run, module))
        put_layout(&out, run, (struct bytes){layer.ptr, layer.size});
    else
        done = false;
    done =
        done && media_save(run->media.out, (struct bytes){out.ptr, out.size});
    free(module.ptr);
    buffer_free(&layer);
    buffer_free(&out);
    return done ? 0 : 1;
}
