/* The st-ai interface's network.h includes it; there is nothing in it that a firmware needs. */
#ifndef STAI_DEBUG_H
#define STAI_DEBUG_H
#endif
