/*
 * library.c - dlopen and dlsym
 *
 * Its symbols are bound at once and stay its own. Thread-safe.
 */
#include "library.h"

#include <dlfcn.h>
#include <string.h>

vss_status vssi_library_function(const char *path, const char *name, void (**out)(void), vss_error *err)
{
    *out = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *why = dlerror();
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "plug-in %.300s", why != NULL ? why : path);
    }
    void *address = dlsym(library, name);
    if (address == NULL) {
        (void)dlclose(library);
        return vssi_fail(err, VSS_ERR_INVALID, "plug-in %s: it has no function \"%s\"", path, name);
    }
    memcpy(out, &address, sizeof address);
    return VSS_OK;
}
