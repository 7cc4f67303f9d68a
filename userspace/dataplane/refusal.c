/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An interface that has refused the program is not asked again until it has become another one: by
 * its MTU, its features (receive offloads) or its queues, which is what drivers refuse for.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/internal.h"

#define FEATURE_BLOCKS 2 /* of 32 features; there are some 60 */

/* What an ioctl does not tell stays 0. */
struct device_state refusal_state(unsigned int ifindex)
{
	struct device_state state = { 0 };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[FEATURE_BLOCKS];
	} features = { .head = { ETHTOOL_GFEATURES, FEATURE_BLOCKS } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (fd < 0 || !if_indextoname(ifindex, request.ifr_name)) {
		if (fd >= 0)
			close(fd);
		return state;
	}
	if (ioctl(fd, SIOCGIFMTU, &request) == 0)
		state.mtu = (uint32_t)request.ifr_mtu;
	request.ifr_data = (void *)&features;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		for (unsigned int i = 0; i < FEATURE_BLOCKS; i++)
			state.features[i] = features.blocks[i].active;
	request.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0) {
		state.queues[0] = channels.rx_count;
		state.queues[1] = channels.tx_count;
		state.queues[2] = channels.combined_count;
	}
	close(fd);
	return state;
}

static struct refusal *find(const struct dataplane *dp, unsigned int ifindex,
			    enum dataplane_mode mode)
{
	for (size_t i = 0; i < dp->n_refusals; i++)
		if (dp->refusals[i].ifindex == ifindex && dp->refusals[i].mode == mode)
			return &dp->refusals[i];
	return NULL;
}

static void forget(struct dataplane *dp, struct refusal *refusal)
{
	*refusal = dp->refusals[--dp->n_refusals];
}

const struct refusal *refusal_find(struct dataplane *dp, unsigned int ifindex,
				   enum dataplane_mode mode)
{
	struct refusal *refusal = find(dp, ifindex, mode);
	struct device_state now;

	if (!refusal)
		return NULL;
	now = refusal_state(ifindex);
	if (memcmp(&now, &refusal->state, sizeof(now)) == 0)
		return refusal;
	forget(dp, refusal);
	return NULL;
}

bool refusal_is_passing(int err)
{
	return err == -EBUSY || err == -EEXIST || err == -EAGAIN || err == -EINTR ||
	       err == -ENODEV || err == -ENOMEM;
}

/* Interfaces that are not there any more. */
static void forget_absent(struct dataplane *dp)
{
	char name[IF_NAMESIZE];

	for (size_t i = dp->n_refusals; i-- > 0;)
		if (!if_indextoname(dp->refusals[i].ifindex, name))
			forget(dp, &dp->refusals[i]);
}

void refusal_remember(struct dataplane *dp, const struct refusal *what)
{
	struct refusal *refusal, *more;

	forget_absent(dp);
	refusal = find(dp, what->ifindex, what->mode);
	if (!refusal) {
		more = realloc(dp->refusals, (dp->n_refusals + 1) * sizeof(*more));
		if (!more) /* it will be asked again */
			return;
		dp->refusals = more;
		refusal = &more[dp->n_refusals++];
	}
	*refusal = *what;
}

bool dataplane_refused(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode)
{
	return refusal_find(dp, ifindex, mode);
}

void dataplane_reconsider(struct dataplane *dp)
{
	for (size_t i = dp->n_refusals; i-- > 0;)
		if (!attach_find(dp, dp->refusals[i].ifindex))
			forget(dp, &dp->refusals[i]);
}
