/* `barque completion`: scripts for shells, made from the tables of verbs and kinds; names of
 * objects are asked of the cluster while typing (one second at most). */
#include "cli/cli.h"

#include "cli/run.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque completion: scripts that let shells complete what is typed\n"
    "\n"
    "  barque completion bash|zsh|fish\n"
    "\n"
    "Examples:\n"
    "  source <(barque completion bash)                    # in ~/.bashrc\n"
    "  source <(barque completion zsh)                     # in ~/.zshrc\n"
    "  barque completion fish | source                     # in ~/.config/fish/config.fish\n";

#define ASK "barque get \"$1\" -o name --timeout 1s 2>/dev/null"

static const char bash_script[] =
    "_barque_names() { " ASK "; }\n"
    "_barque() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
    "    local words=\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then words=$verbs\n"
    "    else case \"$verb:$COMP_CWORD\" in\n"
    "        kv:2) words='get put del watch' ;;\n"
    "        rollout:2) words='status history undo restart pause resume' ;;\n"
    "        rollout:3) words=$(_barque_names deployments) ;;\n"
    "        completion:2) words='bash zsh fish' ;;\n"
    "        logs:2) words=\"$(_barque_names pods | sed s,^pod/,,)\" ;;\n"
    "        cordon:2|uncordon:2) words=\"$(_barque_names nodes | sed s,^node/,,)\" ;;\n"
    "        get:2|describe:2|why:2|delete:2|scale:2) words=$kinds ;;\n"
    "        get:*|describe:*|why:*|delete:*|scale:*)\n"
    "            words=\"$(_barque_names \"${COMP_WORDS[2]}\" | sed 's,^[^/]*/,,')\" ;;\n"
    "        apply:*) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
    "    esac; fi\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -o default -F _barque barque\n";

static const char fish_script[] =
    "function __barque_names; barque get $argv[1] -o name --timeout 1s 2>/dev/null | "
    "string replace -r '^[^/]*/' ''; end\n"
    "complete -c barque -f -n __fish_use_subcommand -a \"$barque_verbs\"\n"
    "complete -c barque -f -n '__fish_seen_subcommand_from get describe why delete scale' "
    "-a \"$barque_kinds\"\n"
    "complete -c barque -f -n '__fish_seen_subcommand_from logs' -a '(__barque_names pods)'\n"
    "complete -c barque -f -n '__fish_seen_subcommand_from rollout' "
    "-a 'status history undo restart pause resume'\n"
    "complete -c barque -f -n '__fish_seen_subcommand_from kv' -a 'get put del watch'\n"
    "complete -c barque -n '__fish_seen_subcommand_from apply' -s f -r\n";

static void put_words(struct buf *out)
{
    for (size_t i = 0; i < cli_verbs_n; i++) {
        buf_printf(out, "%s ", cli_verbs[i].name);
    }
    buf_append_str(out, "demo bench master agent store");
}

static void put_kinds(struct buf *out)
{
    for (size_t i = 0; i < kinds_n; i++) {
        buf_printf(out, "%s%s", i != 0 ? " " : "", kinds[i]->plural);
    }
}

static void put_bash(struct buf *out)
{
    /* The two lists are set where the function reads them, at its first use of the name. */
    static const char mark[] = "    local words=\n";
    const char *at = strstr(bash_script, mark);

    buf_append(out, bash_script, (size_t)(at - bash_script));
    buf_append_str(out, mark);
    buf_append_str(out, "    local verbs='");
    put_words(out);
    buf_append_str(out, "' kinds='");
    put_kinds(out);
    buf_append_str(out, "'\n");
    buf_append_str(out, at + sizeof mark - 1);
}

static void start(struct cli *cli)
{
    const char *shell = cli->n_args == 1 ? cli->args[0] : "";
    struct buf *out = &cli->out;

    if (str_eq(shell, "bash")) {
        put_bash(out);
    } else if (str_eq(shell, "zsh")) {
        buf_append_str(out, "autoload -U +X bashcompinit && bashcompinit\n");
        put_bash(out);
    } else if (str_eq(shell, "fish")) {
        buf_append_str(out, "set -g barque_verbs ");
        put_words(out);
        buf_append_str(out, "\nset -g barque_kinds ");
        put_kinds(out);
        buf_append_char(out, '\n');
        buf_append_str(out, fish_script);
    } else {
        cli_fail_usage(cli, "say for which shell: bash, zsh or fish");
        return;
    }
    cli_end(cli, CLI_OK);
}

int verb_completion(int argc, char **argv)
{
    struct cli cli = { .code = 0 };
    const struct cli_spec spec = { .name = "completion", .usage = usage, .start = start,
                                   .no_client = true };

    return cli_main(&cli, &spec, argc, argv);
}
