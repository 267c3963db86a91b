/* config.json: mounts and id mappings. */
#include "libocispec/runtime_internal.h"

static int id_mapping_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_id_mapping *map = object;

	/* The last id of all, 2^32-1, stands for "none" and can't be mapped. */
	if (!map->size)
		return hoy_field_invalid(at, err, "size", "must be above 0");
	if (map->size > UINT32_MAX - map->container_id)
		return hoy_field_invalid(at, err, "size", "containerID + size is above 4294967295");
	if (map->size > UINT32_MAX - map->host_id)
		return hoy_field_invalid(at, err, "size", "hostID + size is above 4294967295");
	return 0;
}

static const struct hoy_field id_mapping_fields[] = {
	HOY_FIELD_U32(struct hoy_oci_id_mapping, "containerID", container_id, REQUIRED),
	HOY_FIELD_U32(struct hoy_oci_id_mapping, "hostID", host_id, REQUIRED),
	HOY_FIELD_U32(struct hoy_oci_id_mapping, "size", size, REQUIRED),
};
const struct hoy_object hoy_oci_id_mapping_object = HOY_OBJECT(
	struct hoy_oci_id_mapping, id_mapping_fields, id_mapping_check);

static int mount_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_mount *mount = object;

	if (!*mount->destination)
		return hoy_field_invalid(at, err, "destination", "empty");
	if (!mount->n_uid_mappings != !mount->n_gid_mappings)
		return hoy_field_invalid(
			at, err, /* member= */ NULL, "uidMappings and gidMappings must be given together");
	return 0;
}

#define MOUNT struct hoy_oci_mount
static const struct hoy_field mount_fields[] = {
	HOY_FIELD_STRING(MOUNT, "destination", destination, REQUIRED),
	HOY_FIELD_STRING(MOUNT, "type", type, OPTIONAL),
	HOY_FIELD_STRING(MOUNT, "source", source, OPTIONAL),
	HOY_FIELD_STRV(MOUNT, "options", options, 0),
	HOY_FIELD_OBJECTS(MOUNT, "uidMappings", uid_mappings, struct hoy_oci_id_mapping, &hoy_oci_id_mapping_object, 0),
	HOY_FIELD_OBJECTS(MOUNT, "gidMappings", gid_mappings, struct hoy_oci_id_mapping, &hoy_oci_id_mapping_object, 0),
};
const struct hoy_object hoy_oci_mount_object = HOY_OBJECT(MOUNT, mount_fields, mount_check);
