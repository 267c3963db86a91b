/* The labels by which docker compose marks what belongs to a project: stacks cross over between it and us. */
#ifndef HOY_COMPOSE_LABELS_H
#define HOY_COMPOSE_LABELS_H

#define HOY_COMPOSE_LABEL "com.docker.compose."

#define HOY_COMPOSE_PROJECT HOY_COMPOSE_LABEL "project"
#define HOY_COMPOSE_SERVICE HOY_COMPOSE_LABEL "service"
#define HOY_COMPOSE_NUMBER HOY_COMPOSE_LABEL "container-number" /* from 1 */
#define HOY_COMPOSE_ONEOFF HOY_COMPOSE_LABEL "oneoff"           /* "True" for those of `run` */
#define HOY_COMPOSE_SLUG HOY_COMPOSE_LABEL "slug"               /* a one-off's own name */
#define HOY_COMPOSE_HASH HOY_COMPOSE_LABEL "config-hash"
/* Ours: what was copied in as configs and secrets. */
#define HOY_COMPOSE_CONTENTS "io.hoy.compose.contents-hash"
#define HOY_COMPOSE_IMAGE HOY_COMPOSE_LABEL "image"        /* the image's id when the container was made */
#define HOY_COMPOSE_DEPENDS HOY_COMPOSE_LABEL "depends_on" /* "db:service_healthy:true,redis:service_started:false" */
#define HOY_COMPOSE_REPLACE HOY_COMPOSE_LABEL "replace"    /* the container this one is made in place of */
#define HOY_COMPOSE_DIR HOY_COMPOSE_LABEL "project.working_dir"
#define HOY_COMPOSE_FILES HOY_COMPOSE_LABEL "project.config_files" /* ',' between */
#define HOY_COMPOSE_ENV_FILE HOY_COMPOSE_LABEL "project.environment_file"
#define HOY_COMPOSE_VERSION HOY_COMPOSE_LABEL "version"
#define HOY_COMPOSE_NETWORK HOY_COMPOSE_LABEL "network" /* the key in the file, of a network */
#define HOY_COMPOSE_VOLUME HOY_COMPOSE_LABEL "volume"

#endif
