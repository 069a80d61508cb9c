_rag() {
    local here; here=$(dirname -- "$(readlink -f -- "${COMP_WORDS[0]/#\~/$HOME}")")
    case $COMP_CWORD in
        1) COMPREPLY=($(compgen -W "$COMMANDS --help --version" -- "$2")) ;;
        2) COMPREPLY=($(compgen -W "$(ls "$here/stacks" | sed -n 's/^Pulumi\.\(.*\)\.yaml$/\1/p')" -- "$2")) ;;
        *) COMPREPLY=($(compgen -f -- "$2")) ;;
    esac
}
complete -F _rag ./rag rag
