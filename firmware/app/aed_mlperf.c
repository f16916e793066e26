#include "aed_mlperf.h"

#include <string.h>

#include "aed_decimal.h"
#include "aed_engine_model.h"
#include "aed_identity.h"
#include "board.h"

#define TERMINATOR '%'
#define WARM_UP 10u /* inferences before a measurement when the command names no number */
#define PRINTED 8u  /* bytes in a line of `db print` */

/* What the runner is told that it runs: its data and its quality targets depend on it. */
static const char *const models[] = {"", "kws01", "ic01", "ad01", "vww01"};
_Static_assert(AED_MLPERF >= 0 && AED_MLPERF < (int)(sizeof models / sizeof models[0]),
               "AED_MLPERF: 0 off, 1 kws01, 2 ic01, 3 ad01, 4 vww01");

static float scores[AED_N_CLASSES];

static void put(const char *text) {
  aed_board_write((const uint8_t *)text, strlen(text));
}

static void put_number(uint32_t value) {
  char digits[11], *at = digits + 10;
  *at = 0;
  do {
    *--at = (char)('0' + value % 10u);
    value /= 10u;
  } while (value > 0);
  put(at);
}

static void put_hex(uint8_t value) {
  const char text[3] = {"0123456789abcdef"[value >> 4], "0123456789abcdef"[value & 15u], 0};
  put(text);
}

static void put_line(const char *before, uint32_t value, const char *after) {
  put(before);
  put_number(value);
  put(after);
}

static void put_time(void) {
  put_line("m-lap-us-", aed_board_microseconds(), "\r\n");
}

static void put_results(void) {
  put("m-results-[");
  for (uint32_t i = 0; i < AED_N_CLASSES; i++) {
    put(i == 0 ? "" : ",");
    char digits[AED_DECIMAL_SIZE];
    aed_format_decimal(scores[i], AED_DECIMAL_MAX, digits);
    put(digits);
  }
  put("]\r\n");
}

/* The next word of a command, ended in place; NULL when there is none. */
static char *next_word(char **rest) {
  char *word = *rest;
  while (*word == ' ' || *word == '\r' || *word == '\n') {
    word++;
  }
  char *end = word;
  while (*end != 0 && *end != ' ' && *end != '\r' && *end != '\n') {
    end++;
  }
  *rest = *end == 0 ? end : end + 1;
  *end = 0;
  return *word == 0 ? NULL : word;
}

/* A decimal number of at most nine digits; 0 when `word` is none. */
static int32_t parse(const char *word, uint32_t *value) {
  *value = 0;
  size_t i = 0;
  for (; i < 9u && word[i] >= '0' && word[i] <= '9'; i++) {
    *value = 10u * *value + (uint32_t)(word[i] - '0');
  }
  return i > 0 && word[i] == 0;
}

static int32_t hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  const char lower = (char)(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static void infer(const aed_mlperf *console, char *rest) {
  const char *first = next_word(&rest), *second = first == NULL ? NULL : next_word(&rest);
  uint32_t rounds = 1, warm_up = WARM_UP;
  if (first != NULL && (!parse(first, &rounds) || rounds == 0)) {
    put("e-[Inference iterations must be >0]\r\n");
    return;
  }
  if (second != NULL && !parse(second, &warm_up)) {
    put("e-[Inference warmup must be >=0]\r\n");
    return;
  }
  if (console->loaded != AED_ENGINE_INPUT_SIZE) {
    put_line("e-[Input has ", console->loaded, " bytes, the model takes ");
    put_line("", AED_ENGINE_INPUT_SIZE, "]\r\n");
    return;
  }
  aed_status status = AED_OK;
  put_line("m-warmup-start-", warm_up, "\r\n");
  for (uint32_t i = 0; i < warm_up && status == AED_OK; i++) {
    status = aed_classifier_run(console->classifier, scores);
    (void)aed_board_read(NULL, 0); /* tells the watchdog */
  }
  put("m-warmup-done\r\n");
  put_line("m-infer-start-", rounds, "\r\n");
  put_time();
  for (uint32_t i = 0; i < rounds && status == AED_OK; i++) {
    status = aed_classifier_run(console->classifier, scores);
    (void)aed_board_read(NULL, 0);
  }
  put_time();
  if (status != AED_OK) {
    put("e-[Inference failed]\r\n");
    return;
  }
  put("m-infer-done\r\n");
  put_results();
}

static void load(aed_mlperf *console, char *rest) {
  const char *word = next_word(&rest);
  uint32_t size;
  if (word == NULL || !parse(word, &size) || size == 0 || size > AED_ENGINE_INPUT_SIZE) {
    put_line("e-[Command 'db load' takes 1 to ", AED_ENGINE_INPUT_SIZE, " bytes]\r\n");
    return;
  }
  console->expected = size;
  console->loaded = 0;
  put_line("m-[Expecting ", size, " bytes]\r\n");
}

static void print(const aed_mlperf *console) {
  const uint8_t *input = console->classifier->input;
  for (uint32_t i = 0; i < console->expected; i++) {
    put(i % PRINTED == 0 ? "m-buffer-" : "-");
    put_hex(input[i]);
    if (i % PRINTED == PRINTED - 1u || i + 1u == console->expected) {
      put("\r\n");
    }
  }
}

static void bytes(aed_mlperf *console, const char *digits) {
  uint8_t *input = console->classifier->input;
  for (size_t i = 0; digits[i] != 0 && console->loaded < console->expected; i += 2) {
    const int32_t high = hex_digit(digits[i]);
    const int32_t low = digits[i + 1] == 0 ? -1 : hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) {
      put("e-[Invalid or missing hex digit]\r\n");
      return;
    }
    input[console->loaded++] = (uint8_t)(16 * high + low);
    if (console->loaded == console->expected) {
      put("m-load-done\r\n");
    }
  }
}

static void buffer(aed_mlperf *console, char *rest) {
  const char *word = next_word(&rest);
  if (word == NULL) {
    put("e-[Command 'db' requires a subcommand]\r\n");
  } else if (strcmp(word, "load") == 0) {
    load(console, rest);
  } else if (strcmp(word, "print") == 0) {
    print(console);
  } else {
    bytes(console, word);
  }
}

static void answer(aed_mlperf *console) {
  char *rest = console->line;
  const char *word = next_word(&rest);
  if (console->length > AED_MLPERF_LINE) {
    put("e-[Command too long]\r\n");
  } else if (word == NULL) {
    put("e-[Unknown command: ]\r\n");
  } else if (strcmp(word, "name") == 0) {
    put("m-name-dut-[");
    put(aed_board.name);
    put("]\r\n");
  } else if (strcmp(word, "timestamp") == 0) {
    put_time();
  } else if (strcmp(word, "profile") == 0) {
    put("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[");
    put(models[AED_MLPERF]);
    put("]\r\n");
  } else if (strcmp(word, "help") == 0) {
    put("name, timestamp, profile, db load N, db HH.., db print, infer N [W], results\r\n");
  } else if (strcmp(word, "db") == 0) {
    buffer(console, rest);
  } else if (strcmp(word, "infer") == 0) {
    infer(console, rest);
  } else if (strcmp(word, "results") == 0) {
    put_results();
  } else {
    put("e-[Unknown command: ");
    put(word);
    put("]\r\n");
  }
  put("m-ready\r\n");
}

void aed_mlperf_start(aed_mlperf *console, aed_classifier *classifier) {
  *console = (aed_mlperf){.classifier = classifier};
  put("m-timestamp-mode-performance\r\n");
  put_time();
  put("m-init-done\r\nm-ready\r\n");
}

void aed_mlperf_receive(aed_mlperf *console, char byte) {
  if (byte != TERMINATOR) {
    if (console->length < AED_MLPERF_LINE) {
      console->line[console->length] = byte;
    }
    console->length += console->length <= AED_MLPERF_LINE; /* stays one beyond when too long */
    return;
  }
  console->line[console->length < AED_MLPERF_LINE ? console->length : AED_MLPERF_LINE] = 0;
  answer(console);
  console->length = 0;
}
