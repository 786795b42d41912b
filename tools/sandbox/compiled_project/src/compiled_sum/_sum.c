#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>

static PyObject *add(PyObject *module, PyObject *args) {
    double left, right;
    char text[64];
    if (!PyArg_ParseTuple(args, "dd", &left, &right)) return NULL;
    snprintf(text, sizeof text, "%.17g", left + right);
    return PyFloat_FromString(PyUnicode_FromString(text));
}

static PyMethodDef methods[] = {{"add", add, METH_VARARGS, "Return the sum of two numbers."}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_sum", NULL, 0, methods};

PyMODINIT_FUNC PyInit__sum(void) { return PyModuleDef_Init(&module); }
