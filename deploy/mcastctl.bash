# SPDX-License-Identifier: BSD-2-Clause
# Completion of mcastctl(8) for bash.
# shellcheck shell=bash

_mcastctl_interfaces() {
	mcastctl -j "$@" show interfaces 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4
}

_mcastctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() socket=() list='' i

	COMPREPLY=()
	if [[ $before == -u || $before == --socket ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	# The command so far, without options.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-u | --socket) socket=(-u "${COMP_WORDS[++i]}") ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case ${#words[@]}:${words[*]} in
	0:) list='show explain monitor top reload log flush convert' ;;
	1:show) list='interfaces groups flows upstream statistics version' ;;
	1:log) list='none error warning notice info debug' ;;
	1:flush) list='groups' ;;
	1:convert) list='igmpproxy' ;;
	2:convert*)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	2:show\ version) ;;
	2:show* | 2:flush* | 3:explain*) list=$(_mcastctl_interfaces "${socket[@]}") ;;
	esac
	[[ $word == -* ]] && list='-j --json -u --socket -V --version -h --help'
	mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
}

complete -F _mcastctl mcastctl
