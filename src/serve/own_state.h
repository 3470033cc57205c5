// The state of this node (serve/node_state.h).
#ifndef STELE_SERVE_OWN_STATE_H
#define STELE_SERVE_OWN_STATE_H

struct node_state;
struct session;

// Sets the state of this node, as the session sees it. The version is dataset_version. The hash has
// 16 hexadecimal digits, the same for the same content.
void own_state(struct node_state *state, const struct session *s);

#endif
