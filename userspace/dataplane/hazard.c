/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What would bring the kernel down, and so is never tried.
 *
 * virtio_net, up to Linux 7.2 at least: with more queues than the machine can have processors, and
 * too few left to give each processor one of its own for XDP, it takes a queue that is not there
 * for every frame that is redirected to it natively, and the kernel stops.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/internal.h"

static int ethtool(int fd, struct ifreq *request, void *command)
{
	request->ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, request);
}

bool hazard_in_native_mode(const struct dataplane *dp, unsigned int ifindex, char *why)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };
	bool found = fd >= 0 && if_indextoname(ifindex, request.ifr_name) &&
		     ethtool(fd, &request, &driver) == 0 && ethtool(fd, &request, &channels) == 0 &&
		     strcmp(driver.driver, "virtio_net") == 0 &&
		     channels.combined_count > dp->n_cpus &&
		     channels.combined_count + dp->n_cpus > channels.max_combined;

	if (fd >= 0)
		close(fd);
	if (found)
		snprintf(why, WORDS_MAX,
			 "ethtool -L %s combined %u: with more queues than CPUs the kernel crashes",
			 request.ifr_name, dp->n_cpus);
	return found;
}
