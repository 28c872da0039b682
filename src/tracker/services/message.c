/* message.c - the one message of the recording (recording.h), for the launcher to print. */
#include <errno.h>

#include "base/fmt.h"
#include "services/recording.h"
#include "base/banned.h"

static const char *error_words(int error)
{
    switch (-error) {
    case ENOSPC: return "no space left on the disk";
    case EDQUOT: return "disk quota exceeded";
    case EFBIG: return "over the file size limit";
    case EACCES:
    case EPERM: return "permission denied";
    case EROFS: return "read-only file system";
    case ENOENT: return "the folder is gone";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENOMEM: return "out of memory";
    case EAGAIN: return "too many processes";
    default: return NULL;
    }
}

static bool is_of_a_snapshot(const char *message)
{
    static const char begin[] = "snapshot ";
    for (size_t i = 0; begin[i]; i++)
        if (message[i] != begin[i])
            return false;
    return true;
}

void cr_recording_say(const char *what, const char *detail, int error)
{
    struct cr_text text = CR_TEXT(cr_recording->message);
    if (cr_recording->message[0] && !is_of_a_snapshot(cr_recording->message))
        return;
    cr_text_string(&text, what);
    cr_text_string(&text, detail);
    if (error) {
        const char *words = error_words(error);
        cr_text_string(&text, words ? ": " : ": error ");
        if (words)
            cr_text_string(&text, words);
        else
            cr_text_signed(&text, -error);
    }
}
