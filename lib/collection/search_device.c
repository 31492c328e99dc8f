/*
 * search_device.c - which part of a search a device does
 *
 * What would be a scan of sealed rows, by an index that only makes scans faster too.
 */
#include "search.h"

vss_status vssi_search_device(const search *s, search_part *p, const vssi_segment_index *index, vss_error *err)
{
    const vss_device *device = s->device;
    bool required = s->request->device_required != 0;
    if (device == NULL || !p->part->sealed || s->request->range)
        return VSS_OK;
    if (index != NULL && !index->ops->exact && !required)
        return VSS_OK;
    if (index != NULL && !index->ops->exact)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "device \"%s\": indexes of type %s are not searched there; exact=1 "
                         "compares every row", device->name, index->ops->name);
    vss_status status = vssi_device_takes(device, &p->vectors, s->k, required ? err : NULL);
    if (status != VSS_OK)
        return required ? status : VSS_OK;
    p->device = device;
    return VSS_OK;
}
