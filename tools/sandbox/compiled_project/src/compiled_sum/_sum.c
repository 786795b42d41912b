#define Py_LIMITED_API 0x030B0000
#include <Python.h>

static PyObject *add(PyObject *module, PyObject *args) {
    double left, right;
    if (!PyArg_ParseTuple(args, "dd", &left, &right)) return NULL;
    return PyFloat_FromDouble(left + right);
}

static PyMethodDef methods[] = {{"add", add, METH_VARARGS, "Return the sum of two numbers."}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_sum", NULL, 0, methods};

PyMODINIT_FUNC PyInit__sum(void) { return PyModuleDef_Init(&module); }
