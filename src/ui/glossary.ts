/** The field's words, each in a sentence or two. */
export const GLOSSARY = {
  identity:
    'One person. The photos of an identity lie in one folder, and the folder’s name is the identity’s.',
  class: 'What the network learns to tell apart while it trains: here, one class is one person.',
  'aligned face':
    'A square picture cut out around a face, always at the same size and place, so that the network compares like with like.',
  margin:
    'Pixels added around the detected face before it is cut out, half on each side. They give the network some context, and random crops some room.',
  dataset:
    'A folder with one subfolder per person and that person’s pictures in it. Several folders can be united.',
  run: 'One training from its start to its end, with its settings, its measurements and its checkpoints. Its name is the date and time it began.',
  epoch:
    'A round of training: a fixed number of steps, after which a checkpoint is saved and the schedule looks at the time.',
  step: 'One batch of images goes through the network, and all its values are moved a little to make the loss smaller.',
  batch: 'The images that one step looks at together. More need more memory and make each step steadier.',
  checkpoint:
    'Everything a run needs to go on, saved in this browser: the network’s values, the optimizer’s memory and the step.',
  embedding:
    'The list of numbers that the finished network turns a face into. Faces of one person get lists that are close to each other.',
  'cross entropy':
    'How surprised the network is by the right answer. It starts near ln(number of classes), which is guessing, and falls towards 0.',
  loss: 'What training makes smaller: the cross entropy plus the regularisation terms.',
  accuracy: 'The share of a batch’s images whose class the network names correctly.',
  'learning rate': 'How far each step moves the network’s values. It is lowered towards the end of a run.',
  regularisation:
    'Terms that keep the network’s values small, so that it learns what faces have in common instead of learning photos by heart.',
  pair: 'Two photos: of the same person, or of two different people. The model has to say which.',
  fold: 'A tenth (or so) of the pairs. The threshold is chosen on the other folds, so that no fold is judged by a threshold made for it.',
  threshold: 'Two faces whose distance is below it are said to be the same person.',
  'pair accuracy':
    'The share of pairs that are judged correctly, as a mean over the folds. Always guessing gives about 50 %.',
  'validation rate':
    'The share of same-person pairs that are recognised when the threshold is so strict that only 1 in 1,000 different-person pairs is accepted.',
  AUC: 'Area under the ROC curve: how likely it is that a same-person pair is closer than a different-person pair. 1 is perfect, 0.5 is guessing.',
  EER: 'Equal error rate: where as many same-person pairs are rejected as different-person pairs are accepted. Smaller is better.',
  'ROC curve':
    'For every threshold: the share of same-person pairs accepted (upwards) against the share of different-person pairs accepted (to the right). The nearer to the top left corner, the better.',
  'false accept rate': 'The share of different-person pairs that are taken for the same person.',
  'true accept rate': 'The share of same-person pairs that are recognised as such.',
  safetensors:
    'A plain file format for the network’s values, under the original pipeline’s variable names; read by Python, Rust and others.',
  'TensorFlow.js':
    'A library that runs networks in browsers and in Node. The export is its model.json with the values beside it.',
  'images per second': 'How many images the training works through in a second.',
  'data wait':
    'The share of a step’s time in which the network waits for images to be read and decoded. It should be near zero.',
  WebGPU: 'The browser’s way to compute on the graphics processor.',
} as const;

export type GlossaryWord = keyof typeof GLOSSARY;
