/*
 * search_device.c - which part of a search a device does
 *
 * What would be a scan of sealed rows, by an index that only makes scans faster too; lists of an index that can tell
 * which ones a query looks at; and walks over the graph of one that has it. The vectors are verified before a device
 * gets them. Cost: that, once a process.
 */
#include "search.h"

/* Why the device can't search the index; NULL: it can. */
static const char *device_lacks(const search *s, const vssi_segment_index *index)
{
    const bool lists = index->ops->probe != NULL && s->device->lists;
    if (!lists && (index->ops->walks == NULL || s->device->graphs == 0))
        return "are not searched there";
    return s->estimates ? "are not searched there with refine=0" : NULL;
}

vss_status vssi_search_device(const search *s, search_part *p, vssi_segment_index *index, vss_error *err)
{
    const vss_device *device = s->device;
    bool required = s->request->device_required != 0, chosen = index != NULL && !index->ops->exact;
    if (device == NULL || !p->part->sealed || s->request->range || s->request->n_queries == 0)
        return VSS_OK;
    const char *lacks = chosen ? device_lacks(s, index) : NULL;
    if (lacks != NULL)
        return !required ? VSS_OK
                         : vssi_fail(err, VSS_ERR_UNSUPPORTED, "device \"%s\": indexes of type %s %s; exact=1 compares "
                                     "every row", device->name, index->ops->name, lacks);
    vss_status status = vssi_device_takes(device, &p->vectors, s->k, required ? err : NULL);
    if (status != VSS_OK)
        return required ? status : VSS_OK;
    p->device = device;
    p->through = chosen ? index : NULL;
    return vssi_segment_verify_vectors(p->part->segment, s->field, 0, p->vectors.rows, err);
}
