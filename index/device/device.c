/*
 * device.c - the list of the devices that were registered
 *
 * A device is checked, put in the list and counted last, so that readers need no lock. Devices stay for good. Locks:
 * device_mutex while one is added.
 */
#include "device.h"

#include <stdatomic.h>
#include <string.h>

#include "../../lib/base/fail.h"

static vssi_mutex device_mutex = PTHREAD_MUTEX_INITIALIZER;
static const vss_device *device_list[VSS_DEVICE_MAX];
static _Atomic size_t device_count;

static bool device_name_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return name != NULL && name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 31 &&
           strspn(name, letters) == strlen(name) && strcmp(name, "cpu") != 0;
}

static vss_status device_valid(const vss_device *device, vss_error *err)
{
    if (device->abi != VSS_DEVICE_ABI || device->struct_size != sizeof *device)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "device of ABI %u (%u bytes), this library has %u (%zu bytes)",
                         device->abi, device->struct_size, VSS_DEVICE_ABI, sizeof *device);
    if (!device_name_valid(device->name))
        return vssi_fail(err, VSS_ERR_INVALID, "device \"%.64s\": not a name", device->name ? device->name : "");
    if (!device->description || !device->takes || !device->search || !device->forget)
        return vssi_fail(err, VSS_ERR_INVALID, "device \"%s\": description, takes, search and forget are required",
                         device->name);
    if (!device->neighbors != !device->prune)
        return vssi_fail(err, VSS_ERR_INVALID, "device \"%s\": neighbors and prune go together", device->name);
    return VSS_OK;
}

/* Under device_mutex. */
static vss_status device_add(const vss_device *device, vss_error *err)
{
    size_t place = atomic_load(&device_count);
    for (size_t i = 0; i < place; i++) {
        if (device_list[i] == device)
            return VSS_OK;
        if (strcmp(device_list[i]->name, device->name) == 0)
            return vssi_fail(err, VSS_ERR_EXISTS, "device \"%s\" is there already", device->name);
    }
    if (place == VSS_DEVICE_MAX)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "device \"%s\": there are %u already", device->name,
                         VSS_DEVICE_MAX);
    device_list[place] = device;
    atomic_store_explicit(&device_count, place + 1, memory_order_release);
    return VSS_OK;
}

vss_status vssi_device_register(const vss_device *device, vss_error *err)
{
    VSSI_TRY(device_valid(device, err));
    vssi_mutex_lock(&device_mutex);
    vss_status status = device_add(device, err);
    vssi_mutex_unlock(&device_mutex);
    return status;
}

const vss_device *vssi_device_find(const char *name)
{
    size_t n = atomic_load_explicit(&device_count, memory_order_acquire);
    for (size_t i = 0; i < n; i++)
        if (strcmp(device_list[i]->name, name) == 0)
            return device_list[i];
    return NULL;
}

vss_status vssi_device_named(const char *name, const vss_device **device, vss_error *err)
{
    *device = NULL;
    if (name == NULL || strcmp(name, "cpu") == 0)
        return VSS_OK;
    *device = vssi_device_find(name);
    return *device != NULL ? VSS_OK
                           : vssi_fail(err, VSS_ERR_DEVICE, "there is no device \"%.64s\": vss_device_load loads the "
                                       "library that has it", name);
}

int vssi_device_stopped(void *state) { return state != NULL && vssi_control_stopped(state); }

bool vssi_device_replaceable(vss_status status)
{
    return status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY || status == VSS_ERR_BUDGET ||
           status == VSS_ERR_UNSUPPORTED;
}

vss_error vssi_device_told(const vss_device *device, vss_status status, const vss_error *why)
{
    vss_error told = *why;
    if (told.status != status)
        (void)vssi_fail(&told, status, "device \"%s\": it failed and has not said why", device->name);
    return told;
}

bool vssi_device_settles(vssi_device_use *use, vss_status *status, const vss_error *why, vss_error *err)
{
    if (*status == VSS_OK)
        return true;
    const vss_error told = vssi_device_told(use->device, *status, why);
    if (use->required || !vssi_device_replaceable(*status)) {
        if (err != NULL)
            *err = told;
        return true;
    }
    use->failed = told;
    *status = VSS_OK;
    return false;
}

void vssi_device_forget(vssi_device_places *places)
{
    for (size_t i = 0; i < VSS_DEVICE_MAX; i++) {
        if (places->of[i] != NULL)
            device_list[i]->forget(device_list[i]->state, places->of[i]);
        places->of[i] = NULL;
    }
}

void **vssi_device_place(const vss_device *device, vssi_device_places *places)
{
    size_t i = 0;
    while (device_list[i] != device)
        i++;
    return &places->of[i];
}
